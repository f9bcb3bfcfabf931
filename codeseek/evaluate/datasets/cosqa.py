"""CoSQA: web queries and Python functions.

    cosqa-retrieval-test-500.json cosqa-retrieval-dev-500.json   [{"idx", "doc", "code", "retrieval_idx", …}, …]
    cosqa-retrieval-train-19604.json                              the same with "label", 1 for a match
    code_idx_map.txt                                              {code: index, …}; the pool

The published pool carries the functions' docstrings, which often hold the answer's words: the figure without them is
reported, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from codeseek.errors import DataError, UsageError
from codeseek.evaluate.datasets import DataSet, Part, TrainingPair
from codeseek.evaluate.datasets.records import iter_json_array, iter_json_object, number_field, text_field
from codeseek.evaluate.functions import function_chunk
from codeseek.train.undocumented import without_documentation
from codeseek.types import Chunk

__all__ = ["iter_training_pairs", "load_cosqa"]

POOL_NAME = "code_idx_map.txt"
FILES = {"test": ("test", "dev"), "valid": ("dev",)}


def load_cosqa(folder: Path, split: str) -> DataSet:
    """Reads the queries of a split and the pool in both forms.

    Raises:
        UsageError: If there is no file of queries.
        FileError, DataError: As `load_dataset`.
    """
    path, chosen = _find(folder, split)
    codes: dict[str, str] = {}
    pool = folder / POOL_NAME
    for line, code, number in iter_json_object(pool):
        if not isinstance(number, int) or isinstance(number, bool):
            raise DataError(f"{pool}:{line} field of the code holds {type(number).__name__}, wanted a whole number")
        if not code.strip():
            raise DataError(f"{pool}:{line} field of number {number} holds an empty code")
        if codes.setdefault(str(number), code) != code:
            raise DataError(f"{pool}:{line} field of the code repeats number {number}")
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, float]] = {}
    for line, record in iter_json_array(path):
        number = str(number_field(path, line, record, "retrieval_idx"))
        if number not in codes:
            raise DataError(f"{path}:{line} field 'retrieval_idx' names {number}, which is not in {pool}")
        query_id = text_field(path, line, record, "idx")
        if query_id in queries:
            raise DataError(f"{path}:{line} field 'idx' repeats {query_id}")
        queries[query_id] = text_field(path, line, record, "doc")
        qrels[query_id] = {number: 1.0}
    if not queries:
        raise DataError(f"{path} holds no queries")
    documented = {number: function_chunk(number, "python", code, documented=True) for number, code in codes.items()}
    bare: dict[str, Chunk] = {number: without_documentation(chunk) for number, chunk in documented.items()}
    notes = ["one function is right for each query; others of the pool that would answer it count as wrong"]
    if chosen != "test":
        notes.insert(0, "these are the 500 development queries, the published figure is of the 500 test queries")
    parts = Part("with docstrings", queries, documented, qrels), Part("without docstrings", queries, bare, qrels)
    return DataSet("cosqa", parts, averaged=False, notes=tuple(notes))


def _find(folder: Path, split: str) -> tuple[Path, str]:
    for name in FILES[split]:
        found = sorted(folder.glob(f"cosqa-retrieval-{name}-*.json"))
        if found:
            return found[0], name
    raise UsageError(
        f"{folder} has no cosqa-retrieval-{FILES[split][0]}-*.json", hint=f"wanted it and {POOL_NAME} in that folder"
    )


def iter_training_pairs(folder: Path) -> Iterator[TrainingPair]:
    """The matching pairs of the train split.

    Raises:
        UsageError: If there is no train file.
        FileError, DataError: As `load_dataset`.
    """
    found = sorted(folder.glob("cosqa-retrieval-train-*.json"))
    if not found:
        raise UsageError(f"{folder} has no cosqa-retrieval-train-*.json", hint="--ablate trains on the train split")
    for line, record in iter_json_array(found[0]):
        if "label" in record and number_field(found[0], line, record, "label") != 1:
            continue
        identifier = str(number_field(found[0], line, record, "retrieval_idx"))
        code = text_field(found[0], line, record, "code")
        query = text_field(found[0], line, record, "doc")
        yield TrainingPair(query, identifier, function_chunk(identifier, "python", code, documented=True))
