"""The folder that export writes, read by both runtimes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fakes.tiny_models import save_bert, share_words

from codeseek import encoders
from codeseek.device import resolve_device
from codeseek.encoders import BULK_MIN_TEXTS, LazyEncoder, load_encoder
from codeseek.encoders.dual import DualEncoder
from codeseek.encoders.folder import default_folder, is_shipped, open_folder
from codeseek.encoders.tokens import load_tokenizer
from codeseek.encoders.weights import dequantised_state, tensor_ranges
from codeseek.errors import ModelError

TEXTS = ["def read(path): return open(path)", "sort list", "", "walk(folder) 0123456789 " * 9, "parse config", "read"]


def torch_encoder(folder: Path, key: str = "encoder") -> DualEncoder:
    from codeseek.encoders.torch import load_shipped

    part = getattr(open_folder(folder), key)
    assert part is not None
    runtime = load_shipped(folder, key, part, "cpu")
    return DualEncoder(part.name, part.architecture.hidden_size, part.feeding, load_tokenizer(folder), runtime)


def test_both_runtimes_agree_on_one_set_of_weights(shipped: Path) -> None:
    ours = load_encoder(shipped, "cpu").encode_documents(TEXTS)
    theirs = torch_encoder(shipped).encode_documents(TEXTS)
    assert ours.dtype == theirs.dtype == np.float32
    assert (ours * theirs).sum(axis=1).min() > 0.99


def test_the_weights_are_the_checkpoints(shipped: Path, tmp_path: Path) -> None:
    """int8 keeps every weight within half a step of its column's scale."""
    from safetensors.numpy import load_file

    original = load_file(save_bert(tmp_path / "again", layers=2) / "model.safetensors")
    trunk, head = dequantised_state(shipped, "encoder")
    assert head == {}
    for name, value in trunk.items():
        error = np.abs(value - original[name]).max()
        assert error <= 0.03 * np.abs(original[name]).max(), name


def test_threads_change_neither_order_nor_vectors(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One text a batch, so that every thread has several."""
    monkeypatch.setattr("codeseek.encoders.onnx.OnnxModel.limits", (1, 1))
    one, three = (load_encoder(shipped, "cpu", threads=threads).encode_documents(TEXTS * 3) for threads in (1, 3))
    assert np.array_equal(one, three)
    model = "codeseek.encoders.onnx.OnnxModel.run"
    monkeypatch.setattr(model, lambda self, batch: (_ for _ in ()).throw(ModelError("out of memory")))
    with pytest.raises(ModelError, match="out of memory"):
        load_encoder(shipped, "cpu", threads=3).encode_documents(TEXTS)


def test_rows_are_unit_and_in_order(shipped: Path) -> None:
    encoder = load_encoder(shipped, "cpu")
    vectors = encoder.encode_documents(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for row, text in enumerate(TEXTS):
        np.testing.assert_allclose(encoder.encode_documents([text])[0], vectors[row], atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.05, "different texts differ"


def test_a_vector_does_not_depend_on_its_batch(shipped: Path) -> None:
    """What makes an incremental index equal to one from scratch."""
    encoder = load_encoder(shipped, "cpu")
    alone = encoder.encode_documents(["parse config"])[0]
    crowd = encoder.encode_documents(["parse config", *(f"walk {number} " * number for number in range(1, 70))])[0]
    np.testing.assert_allclose(alone, crowd, atol=1e-5)


def test_queries_are_cut_earlier_than_documents(shipped: Path) -> None:
    encoder = load_encoder(shipped, "cpu")
    long = " ".join(["read"] * 12)
    np.testing.assert_array_equal(encoder.encode_queries([long]), encoder.encode_queries([f"{long} sort"]))
    assert not np.array_equal(encoder.encode_documents([long]), encoder.encode_documents([f"{long} sort"]))


def test_nothing_to_encode_and_odd_characters(shipped: Path) -> None:
    encoder = load_encoder(shipped, "cpu")
    assert encoder.encode_documents([]).shape == (0, encoder.dimension)
    assert np.isfinite(encoder.encode_documents(["\udcff broken \x00 \U0001f600"])).all()


def test_lazy_knows_its_name_without_weights(shipped: Path, tmp_path: Path) -> None:
    lazy = LazyEncoder(shipped)
    assert lazy.name == load_encoder(shipped, "cpu").name
    assert lazy.name.startswith("tiny-")
    assert lazy.folder == shipped
    assert lazy._loaded == {}
    few = lazy.encode_queries(["read"])
    many = lazy.encode_queries(["read"] * BULK_MIN_TEXTS)
    assert set(lazy._loaded) == {"cpu"} | {resolve_device("auto")}
    np.testing.assert_allclose(few[0], many[0], atol=1e-5)


def test_documents_may_have_an_encoder_of_their_own(shipped: Path, two_encoders: Path) -> None:
    one, two = load_encoder(shipped, "cpu"), load_encoder(two_encoders, "cpu")
    np.testing.assert_array_equal(one.encode_queries(TEXTS), two.encode_queries(TEXTS))
    assert (one.encode_documents(TEXTS) * two.encode_documents(TEXTS)).sum(axis=1).max() < 0.99
    folder = open_folder(two_encoders)
    assert folder.document_encoder is not None
    assert folder.encoder == open_folder(shipped).encoder
    # Vectors are stored under the name of what made them.
    assert two.name == LazyEncoder(two_encoders).name == folder.document_encoder.name != one.name
    cut = two.encode_documents(["read " * 6, "read " * 6 + "sort list"])
    np.testing.assert_array_equal(cut[0], cut[1])
    from codeseek.encoders.torch import load_shipped

    runtime = load_shipped(two_encoders, "document_encoder", folder.document_encoder, "cpu")
    feeding = folder.document_encoder.feeding
    other = DualEncoder("torch", two.dimension, feeding, load_tokenizer(two_encoders), runtime)
    assert (other.encode_documents(TEXTS) * two.encode_documents(TEXTS)).sum(axis=1).min() > 0.99


def test_a_query_does_not_load_the_encoder_of_documents(two_encoders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    model = encoders.OnnxModel
    monkeypatch.setattr(
        encoders, "OnnxModel", lambda path, threads: (opened.append(path.name), model(path, threads))[1]
    )
    encoder = LazyEncoder(two_encoders, "cpu")
    encoder.encode_queries(["read"])
    assert opened == ["encoder.onnx"]
    encoder.encode_documents(["read"])
    encoder.encode_documents(["read"])
    assert opened == ["encoder.onnx", "document_encoder.onnx"]


def test_encoders_that_do_not_belong_together_are_refused(two_encoders: Path, tmp_path: Path) -> None:
    for number, change in enumerate((None, {"hidden_size": 8})):
        folder = Path(shutil.copytree(two_encoders, tmp_path / str(number)))
        config = json.loads((folder / "config.json").read_text())
        config["encoder"] = change and config["encoder"] | {"architecture": config["encoder"]["architecture"] | change}
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(ModelError, match="vectors of different models"):
            open_folder(folder)


def test_a_new_encoder_drops_the_one_for_documents(two_encoders: Path, tmp_path: Path) -> None:
    from codeseek.train.export import ExportPart, export_model

    folder = Path(shutil.copytree(two_encoders, tmp_path / "folder"))
    part = open_folder(two_encoders).encoder  # what was opened is remembered
    assert part is not None
    checkpoint = save_bert(tmp_path / "again", layers=2)
    export_model(folder, encoder=ExportPart(checkpoint, part.feeding, "tiny", TEXTS, {}))
    assert open_folder(folder).document_encoder is None
    assert not list(folder.glob("document_encoder.*"))


def test_queries_may_get_a_new_encoder_while_documents_keep_theirs(
    shipped: Path, two_encoders: Path, tmp_path: Path
) -> None:
    from codeseek.train.export import ExportPart, export_model

    part = open_folder(shipped).encoder
    assert part is not None
    checkpoint = share_words(save_bert(tmp_path / "words", layers=2), save_bert(tmp_path / "queries", seed=8))
    queries = ExportPart(checkpoint, part.feeding, "tiny", TEXTS, {})
    for number, before in enumerate((shipped, two_encoders)):
        folder = Path(shutil.copytree(before, tmp_path / str(number)))
        export_model(folder, encoder=queries, queries_alone=True)
        old, new = load_encoder(before, "cpu"), load_encoder(folder, "cpu")
        assert new.name == old.name  # stored vectors stay valid
        np.testing.assert_array_equal(new.encode_documents(TEXTS), old.encode_documents(TEXTS))
        assert (new.encode_queries(TEXTS) * old.encode_queries(TEXTS)).sum(axis=1).max() < 0.99
    with pytest.raises(ModelError, match="has none that reads documents"):
        export_model(tmp_path / "new", encoder=queries, queries_alone=True)


def test_a_refused_export_leaves_the_folder_as_it_was(two_encoders: Path, tmp_path: Path) -> None:
    from codeseek.train.export import ExportPart, export_model

    folder = Path(shutil.copytree(two_encoders, tmp_path / "folder"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    part = open_folder(two_encoders).encoder
    assert part is not None
    other = ExportPart(save_bert(tmp_path / "other", seed=9), part.feeding, "tiny", TEXTS, {})
    with pytest.raises(ModelError, match="its token embeddings are not those of"):
        export_model(folder, encoder=other)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    with pytest.raises(ModelError, match="without one of queries"):
        export_model(tmp_path / "new", document_encoder=other)


def test_the_name_follows_the_weights(shipped: Path) -> None:
    folder = open_folder(shipped)
    assert folder.encoder is not None
    assert folder.ranker is not None
    assert folder.encoder.name != folder.ranker.name
    assert folder.ranker.serving == {"temperature": 2.0}


@pytest.fixture
def copy(shipped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped, tmp_path / "copy"))


def edit(folder: Path, **changes: object) -> None:
    record = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**record, **changes}))


def test_a_truncated_weight_file_is_refused(copy: Path) -> None:
    file = copy / "encoder.safetensors"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ModelError, match="damaged") as caught:
        load_encoder(copy, "cpu")
    assert "reinstall" in caught.value.hint


def test_a_missing_weight_file_is_refused(copy: Path) -> None:
    (copy / "embeddings.safetensors").unlink()
    with pytest.raises(ModelError, match=r"incomplete: no embeddings\.safetensors"):
        load_encoder(copy, "cpu")


def test_another_format_is_refused(copy: Path) -> None:
    edit(copy, codeseek_format=99)
    with pytest.raises(ModelError, match="format 99, this version reads 1"):
        LazyEncoder(copy)


def test_a_path_among_the_files_is_refused(copy: Path) -> None:
    edit(copy, bytes={"../config.json": 1})
    with pytest.raises(ModelError, match="is no file name"):
        load_encoder(copy, "cpu")


def test_a_damaged_graph_is_a_model_error(copy: Path) -> None:
    graph = copy / "encoder.onnx"
    graph.write_bytes(b"\0" * graph.stat().st_size)
    with pytest.raises(ModelError, match="cannot load"):
        load_encoder(copy, "cpu")


def test_a_folder_without_an_encoder_is_refused(copy: Path) -> None:
    edit(copy, encoder=None)
    with pytest.raises(ModelError, match="holds only a ranker"):
        LazyEncoder(copy)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0[]", b'\x0e\0\0\0\0\0\0\0{"a":{"b": 1}}'])
def test_what_is_no_safetensors_file_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"not a safetensors file|damaged"):
        tensor_ranges(file)


needs_default = pytest.mark.skipif(
    not is_shipped(default_folder()), reason="the default models are not in this checkout"
)


@needs_default
def test_the_default_models_runtimes_agree() -> None:
    """Measured over 256 functions: mean 0.9995, least 0.9988; the shortest inputs are the hardest to calibrate."""
    texts = [*TEXTS, *(Path(path).read_text()[:900] for path in (__file__, shutil.__file__, json.__file__))]
    texts += [
        "where are sessions closed when the client disconnects",
        "parse_query",
        "python how to sort a list of dicts",
    ]
    ours = load_encoder(None, "cpu")
    for theirs, encode in (
        (torch_encoder(default_folder()), DualEncoder.encode_queries),
        (torch_encoder(default_folder(), "document_encoder"), DualEncoder.encode_documents),
    ):
        cosine = (encode(ours, texts) * encode(theirs, texts)).sum(axis=1)
        assert cosine.mean() > 0.998
        assert cosine.min() > 0.99


@needs_default
def test_the_default_encoder_understands() -> None:
    encoder = load_encoder(None, "cpu")
    documents = ["def read_config(path): return tomllib.loads(path.read_text())", "def dot(a, b): return sum(a * b)"]
    query = encoder.encode_queries(["load the settings file"])[0]
    first, second = encoder.encode_documents(documents) @ query
    assert first > second + 0.1
