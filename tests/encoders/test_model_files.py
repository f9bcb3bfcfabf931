"""What a model folder may hold: safetensors and ONNX, whole, of plausible sizes, and nothing that runs or leads out."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from codeseek.encoders.folder import CONFIG_NAME, default_folder, is_shipped, open_folder
from codeseek.encoders.hub import find_model, open_foreign
from codeseek.encoders.onnx import OnnxModel
from codeseek.encoders.weights import MODEL_MAX_BYTES, check_safetensors
from codeseek.errors import ModelError

needs_default = pytest.mark.skipif(
    not is_shipped(default_folder()), reason="the default models are not in this checkout"
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The default models, linked file by file so that a test may replace one."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in default_folder().iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path)
    config = (folder / CONFIG_NAME).read_bytes()
    (folder / CONFIG_NAME).unlink()
    (folder / CONFIG_NAME).write_bytes(config)
    return folder


def edit(folder: Path, **changes: object) -> None:
    record = json.loads((folder / CONFIG_NAME).read_text())
    (folder / CONFIG_NAME).write_text(json.dumps({**record, **changes}))


def replace(path: Path, data: bytes = b"") -> Path:
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["dual-encoder", "cross-encoder"])
def test_a_pickle_is_refused_with_the_remedy(tmp_path: Path, kind: str) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(ModelError, match=r"a pickle \(pytorch_model.bin\), which can run code") as caught:
        open_foreign(tmp_path, kind)
    assert "save_pretrained" in caught.value.hint


def test_files_that_are_too_large_or_none_are_refused_unread(tmp_path: Path) -> None:
    large = tmp_path / "large.safetensors"
    large.touch()
    os.truncate(large, MODEL_MAX_BYTES + 1)
    with pytest.raises(ModelError, match=f"{MODEL_MAX_BYTES + 1} bytes, at most {MODEL_MAX_BYTES} are read"):
        check_safetensors(large)
    os.mkfifo(tmp_path / "pipe.safetensors")
    for name, message in (("pipe.safetensors", "not a regular file"), ("none.safetensors", "No such file")):
        with pytest.raises(ModelError, match=message):
            check_safetensors(tmp_path / name)


def test_headers_that_nest_or_lie_are_refused(tmp_path: Path) -> None:
    nested = b"[" * 200_000
    for header in (nested, b'{"a":{"data_offsets":[0,9]}}', b'{"a":{"data_offsets":"no"}}', b'{"a":3}'):
        path = tmp_path / "x.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(ModelError, match=r"not a safetensors file|damaged"):
            check_safetensors(path)


def test_a_configuration_that_nests_is_refused(tmp_path: Path) -> None:
    (tmp_path / CONFIG_NAME).write_text("[" * 200_000)
    with pytest.raises(ModelError, match="not JSON"):
        open_folder(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError, match="not JSON"):
        open_foreign(tmp_path, "dual-encoder")


def test_feeding_that_is_none_is_refused(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 8}')
    for change in ({"prefix": 3}, {"max_tokens": "many"}, {"query_max_tokens": None}):
        record = {"kind": "dual-encoder", "query_max_tokens": 8, "document_max_tokens": 8, "max_tokens": 8, "pad": 0}
        record |= {"prefix": [1], "between": [2], "suffix": [2], "document_type": 1}
        (tmp_path / "codeseek.json").write_text(json.dumps(record | change))
        with pytest.raises(ModelError, match="cannot read"):
            open_foreign(tmp_path, "dual-encoder")


@needs_default
def test_every_file_that_is_read_has_its_size_in_the_configuration(copy: Path) -> None:
    sizes = json.loads((copy / CONFIG_NAME).read_text())["bytes"]
    assert open_folder(copy).encoder is not None
    for name in ("tokenizer.json", "embeddings.safetensors", "encoder.safetensors", "encoder.onnx"):
        other = Path(shutil.copytree(copy, copy.parent / f"without-{name}", symlinks=True))
        edit(other, bytes={key: size for key, size in sizes.items() if key != name})
        with pytest.raises(ModelError, match=f"does not say the size of {name}"):
            open_folder(other)
    other = Path(shutil.copytree(copy, copy.parent / "list", symlinks=True))  # what was opened is remembered
    edit(other, bytes=["encoder.onnx"])
    with pytest.raises(ModelError, match="names no sizes"):
        open_folder(other)


@needs_default
def test_a_file_that_was_cut_off_is_refused(copy: Path) -> None:
    data = (copy / "encoder.onnx").read_bytes()
    replace(copy / "encoder.onnx", data[:-1])
    with pytest.raises(ModelError, match=f"encoder.onnx is damaged: {len(data) - 1} bytes, wanted {len(data)}"):
        open_folder(copy)


@needs_default
def test_a_graph_reads_no_weights_outside_its_folder(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    weights, elsewhere = b"encoder.safetensors", b"../outside/secret.b"
    assert len(weights) == len(elsewhere)
    shutil.copyfile(default_folder() / "encoder.safetensors", tmp_path / "outside/secret.b")
    graph = (default_folder() / "encoder.onnx").read_bytes()
    assert weights in graph
    replace(copy / "encoder.onnx", graph.replace(weights, elsewhere))
    with pytest.raises(ModelError, match="cannot load"):
        OnnxModel(copy / "encoder.onnx", threads=1)


def test_a_folder_may_be_a_link_that_the_user_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert find_model(tmp_path / "link") == tmp_path / "real"
