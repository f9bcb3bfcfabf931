"""StaQC in the layout that R2PS reads: Stack Overflow questions and Python code.

train.jsonl valid.jsonl test.jsonl   question, code_tokens or code, retrieval_idx (or url)
codebase.jsonl                       code_tokens or code, retrieval_idx (or url); the pool
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codeseek.errors import DataError
from codeseek.evaluate.datasets import DataSet, Part
from codeseek.evaluate.datasets.csn import read_code
from codeseek.evaluate.datasets.records import number_field, text_field, words_field
from codeseek.evaluate.functions import function_chunk
from codeseek.train.data import iter_json_lines
from codeseek.types import Chunk

__all__ = ["load_staqc"]


def load_staqc(folder: Path, split: str) -> DataSet:
    """Reads the queries of a split and the pool.

    Raises:
        FileError, DataError: As `load_dataset`.
    """
    documents: dict[str, Chunk] = {}
    codebase = folder / "codebase.jsonl"
    for line, record in iter_json_lines(codebase):
        identifier = _identifier(codebase, line, record)
        if identifier in documents:
            raise DataError(f"{codebase}:{line} field 'retrieval_idx' repeats {identifier}")
        code = read_code(codebase, line, record)
        documents[identifier] = function_chunk(identifier, "python", code, documented=True)
    path = folder / f"{split}.jsonl"
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, float]] = {}
    for line, record in iter_json_lines(path):
        identifier = _identifier(path, line, record)
        if identifier not in documents:
            raise DataError(f"{path}:{line} field 'retrieval_idx' names {identifier}, which is not in {codebase}")
        query_id = f"{split}-{line}"
        queries[query_id] = words_field(path, line, record, "question")
        qrels[query_id] = {identifier: 1.0}
    if not queries:
        raise DataError(f"{path} holds no queries")
    notes = ("the published pool holds tokens joined by spaces; where `code` is given its lines are kept",)
    return DataSet("staqc", (Part("python", queries, documents, qrels),), averaged=False, notes=notes)


def _identifier(path: Path, line: int, record: Mapping[str, Any]) -> str:
    if "url" in record:
        return text_field(path, line, record, "url")
    return str(number_field(path, line, record, "retrieval_idx"))
