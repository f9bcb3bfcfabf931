from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fakes.tiny_models import feeding_record, save_bert, save_head, share_words

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
    from codeseek.train.export import ExportPart, export_model

    base = tmp_path_factory.mktemp("checkpoints")
    encoder = save_bert(base / "encoder", layers=2)
    ranker = share_words(encoder, save_head(save_bert(base / "ranker", layers=1, seed=5)))
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


@pytest.fixture(scope="session")
def two_encoders(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with another encoder for documents."""
    from codeseek.train.export import ExportPart, export_model

    base = tmp_path_factory.mktemp("document-checkpoints")
    documents = share_words(save_bert(base / "encoder", layers=2), save_bert(base / "documents", layers=1, seed=7))
    out = Path(shutil.copytree(shipped, tmp_path_factory.mktemp("two") / "folder"))
    feeding = parse_feeding(feeding_record("dual-encoder") | {"document_max_tokens": 6}, "test")
    export_model(out, document_encoder=ExportPart(documents, feeding, "tiny-documents", DOCUMENTS, {}))
    return out
