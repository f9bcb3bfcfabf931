"""Models that the user names: bert-like folders, sentence-transformers, UniXcoder, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fakes.tiny_models import HIDDEN, feeding_record, save_bert, save_electra, save_head, save_roberta

from codeseek.encoders import LazyEncoder, load_encoder
from codeseek.encoders.hub import find_model, open_foreign
from codeseek.errors import ModelError


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture
def own_bert(tmp_path: Path) -> Path:
    return save_bert(tmp_path / "bert")


def sentence_files(folder: Path, *, mode: str = "pooling_mode_cls_token", extra: tuple[str, ...] = ()) -> None:
    kinds = ["Transformer", "Pooling", *extra, "Normalize"]
    paths = ["", "1_Pooling", *("2_X" for _ in extra), "2_Normalize"]
    modules = [
        {"idx": number, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({mode: True, "word_embedding_dimension": 32}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20}))
    prompts = {"prompts": {"query": "read ", "document": "sort "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))


def hidden_states(folder: Path, ids: list[int]) -> np.ndarray:
    """[T, D] of the trunk, by transformers alone."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(str(folder), add_pooling_layer=False).eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def word_ids(folder: Path, text: str) -> list[int]:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text, add_special_tokens=False).ids


def test_a_bert_folder_is_the_mean_of_its_tokens(bert: Path) -> None:
    encoder = load_encoder(bert, "cpu")
    expected = unit(hidden_states(bert, [2, *word_ids(bert, "read file"), 3]).mean(axis=0))
    found = encoder.encode_documents(["a much longer text of many words, sorted first", "read file"])
    np.testing.assert_allclose(found[1], expected, atol=1e-5)
    assert encoder.name.startswith("tiny-bert-")
    assert encoder.dimension == 32


def test_a_sentence_transformer_brings_pooling_limit_and_prompts(own_bert: Path) -> None:
    sentence_files(own_bert)
    found = open_foreign(own_bert, "dual-encoder").feeding
    assert (found.pooling, found.max_tokens, found.query_prompt, found.document_prompt) == ("cls", 20, "read ", "sort ")
    expected = unit(hidden_states(own_bert, [2, *word_ids(own_bert, "sort file"), 3])[0])
    np.testing.assert_allclose(load_encoder(own_bert, "cpu").encode_documents(["file"])[0], expected, atol=1e-5)


def test_pooling_can_be_overridden(own_bert: Path) -> None:
    sentence_files(own_bert)
    assert open_foreign(own_bert, "dual-encoder", "mean").feeding.pooling == "mean"


def test_another_module_is_refused(own_bert: Path) -> None:
    sentence_files(own_bert, extra=("Dense",))
    with pytest.raises(ModelError, match="module 'Dense' is not supported"):
        LazyEncoder(own_bert)


def test_another_pooling_is_refused(own_bert: Path) -> None:
    sentence_files(own_bert, mode="pooling_mode_max_tokens")
    with pytest.raises(ModelError, match="pooling max_tokens, wanted mean or cls"):
        LazyEncoder(own_bert)


def test_modules_cannot_point_out_of_the_folder(own_bert: Path) -> None:
    sentence_files(own_bert)
    modules = json.loads((own_bert / "modules.json").read_text())
    modules[1]["path"] = "../elsewhere"
    (own_bert / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="points out of it"):
        LazyEncoder(own_bert)


def test_unixcoder_has_its_mode_token(tmp_path: Path) -> None:
    folder = save_roberta(tmp_path / "unixcoder", unixcoder=True)
    feeding = open_foreign(folder, "dual-encoder").feeding
    assert feeding.prefix == (0, 5, 2)
    assert (feeding.suffix, feeding.pad, feeding.document_type, feeding.pooling) == ((2,), 1, 0, "mean")
    expected = unit(hidden_states(folder, [0, 5, 2, *word_ids(folder, "read"), 2]).mean(axis=0))
    found = load_encoder(folder, "cpu").encode_queries(["read", "walk the folder and read it"])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_roberta_is_framed_by_its_own_tokens(tmp_path: Path) -> None:
    folder = save_roberta(tmp_path / "codebert")
    feeding = open_foreign(folder, "dual-encoder").feeding
    assert (feeding.prefix, feeding.suffix, feeding.max_tokens) == ((0,), (2,), 64)
    assert np.isfinite(load_encoder(folder, "cpu").encode_documents(["read " * 200])).all()


def test_what_training_wrote_is_served(own_bert: Path) -> None:
    record = feeding_record("dual-encoder", pooling="cls")
    (own_bert / "codeseek.json").write_text(json.dumps(record))
    expected = unit(hidden_states(own_bert, [2, *word_ids(own_bert, "read"), 3])[0])
    np.testing.assert_allclose(load_encoder(own_bert, "cpu").encode_documents(["read"])[0], expected, atol=1e-5)


def test_a_ranker_is_no_encoder(own_bert: Path) -> None:
    save_head(own_bert)
    with pytest.raises(ModelError, match=r"cannot load a dual-encoder from .*: it holds a cross-encoder"):
        LazyEncoder(own_bert)


def test_the_name_follows_weights_and_feeding(own_bert: Path, tmp_path: Path) -> None:
    name = LazyEncoder(own_bert).name
    assert name == LazyEncoder(own_bert).name
    assert name != LazyEncoder(save_bert(tmp_path / "other" / "bert", seed=9)).name
    sentence_files(own_bert)
    assert name != LazyEncoder(own_bert).name


def test_a_pickle_is_refused(own_bert: Path) -> None:
    (own_bert / "model.safetensors").unlink()
    (own_bert / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(ModelError, match="a pickle") as caught:
        LazyEncoder(own_bert)
    assert "save_pretrained" in caught.value.hint


def test_code_of_its_own_is_refused(own_bert: Path) -> None:
    config = json.loads((own_bert / "config.json").read_text())
    (own_bert / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(ModelError, match="code of its own"):
        LazyEncoder(own_bert)


def test_truncated_weights_are_refused(own_bert: Path) -> None:
    file = own_bert / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="is damaged"):
        LazyEncoder(own_bert)


def test_another_architecture_is_refused(own_bert: Path) -> None:
    config = json.loads((own_bert / "config.json").read_text())
    (own_bert / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    with pytest.raises(ModelError, match="model type 'gpt2', wanted one of bert"):
        LazyEncoder(own_bert)


def test_electra_which_has_no_pooler(tmp_path: Path) -> None:
    vectors = load_encoder(save_electra(tmp_path / "electra"), "cpu").encode_documents(["read the file", "sort"])
    assert vectors.shape == (2, HIDDEN)
    assert vectors[0] @ vectors[1] < 0.99


@pytest.mark.parametrize("spec", ["/no/such/folder", "./nothing", "a/b/c", Path("gone")])
def test_a_folder_that_is_not_there(spec: str | Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        find_model(spec)


def test_a_hub_id_offline_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="cannot get the model codeseek-tests/none") as caught:
        find_model("codeseek-tests/none")
    assert caught.value.hint == "unset HF_HUB_OFFLINE to download it"


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("transformers.utils.hub.has_file", lambda name, file: asked.append((name, file)))
    with pytest.raises(ModelError, match="cannot get the model no-such/model: the hub cannot be reached, or holds"):
        find_model("no-such/model")
    assert asked == [("no-such/model", "config.json")]


def test_a_cached_hub_id_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bert: Path) -> None:
    import shutil

    import huggingface_hub.constants

    commit = "0" * 40
    home = tmp_path / "models--codeseek--tiny"
    shutil.copytree(bert, home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path), raising=False)
    found = find_model("codeseek/tiny")
    assert found.name == commit
    assert LazyEncoder("codeseek/tiny").name.startswith("tiny-")
