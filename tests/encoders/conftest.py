from __future__ import annotations

from pathlib import Path

import pytest
from fakes.tiny_models import feeding_record, save_bert, save_head

from codeseek.encoders.feeding import parse_feeding

QUERIES = ["read a file", "sort the list", "walk a folder and open each file"]
DOCUMENTS = [
    "def read(path): return open(path)",
    "sort list",
    "",
    "def walk(folder): for name in folder: walk(name) # close everything that was open 0123456789",
    "self.config = parse(config)",
    "def test_error(): return None",
]


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in our format with a tiny encoder and a tiny ranker of another depth, from random checkpoints."""
    pytest.importorskip("onnx", reason="export needs the extra 'train'")
    import torch
    from safetensors.torch import load_file, save_file

    from codeseek.train.export import ExportPart, export_model

    base = tmp_path_factory.mktemp("checkpoints")
    encoder = save_bert(base / "encoder", layers=2)
    ranker = save_head(save_bert(base / "ranker", layers=1, seed=5))
    # Token embeddings are frozen in training, hence shared.
    key = "embeddings.word_embeddings.weight"
    state = load_file(ranker / "model.safetensors")
    state[key] = load_file(encoder / "model.safetensors")[key].clone()
    save_file(
        {name: torch.clone(value) for name, value in state.items()}, ranker / "model.safetensors", {"format": "pt"}
    )
    out = tmp_path_factory.mktemp("shipped")
    dual = parse_feeding(feeding_record("dual-encoder"), "test")
    cross = parse_feeding(feeding_record("cross-encoder", head="dense-tanh-linear"), "test")
    pairs = [(query, document) for query in QUERIES for document in DOCUMENTS]
    export_model(
        out,
        encoder=ExportPart(encoder, dual, "tiny", [*QUERIES, *DOCUMENTS], {}),
        ranker=ExportPart(ranker, cross, "tiny-ranker", pairs, {"temperature": 2.0}),
        record={"licence": "none"},
    )
    return out
