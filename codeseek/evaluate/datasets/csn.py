"""CodeSearchNet as cleaned by GraphCodeBERT, and what shares its files.

    <language>/train.jsonl valid.jsonl test.jsonl   docstring_tokens, code_tokens, original_string or code, url
    <language>/codebase.jsonl                       the same fields; the pool

The folder of one language may be given, too. The function that answers a query has the query's `url`. The pool's
functions are served without their docstrings, as published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from codeseek.errors import DataError, UsageError
from codeseek.evaluate.datasets import DataSet, Part, TrainingPair
from codeseek.evaluate.datasets.records import text_field, words_field
from codeseek.evaluate.functions import function_chunk
from codeseek.train.data import iter_json_lines
from codeseek.types import Chunk

__all__ = ["LANGUAGES", "iter_training_pairs", "load_csn", "read_code"]

LANGUAGES = ("ruby", "javascript", "go", "python", "java", "php")


def load_csn(folder: Path, split: str) -> DataSet:
    """Reads one language, or all that the folder has.

    Raises:
        UsageError: If it has none.
        FileError, DataError: As `load_dataset`.
    """
    if (folder / f"{split}.jsonl").exists():
        found = [(_language_of(folder, split), folder)]
    else:
        found = [(name, folder / name) for name in LANGUAGES if (folder / name / f"{split}.jsonl").exists()]
    if not found:
        raise UsageError(
            f"{folder} has neither {split}.jsonl nor a language's folder with it",
            hint=f"wanted <language>/{split}.jsonl and <language>/codebase.jsonl",
        )
    parts = tuple(_load_language(name, path, split) for name, path in found)
    left_out = [name for name in LANGUAGES if name not in {part.name for part in parts}]
    notes = ["the search reads names, signature and code of each function"]
    if left_out:
        notes.append(f"the published figure is the mean of six languages; not here: {', '.join(left_out)}")
    return DataSet("csn", parts, averaged=True, notes=tuple(notes))


def _language_of(folder: Path, split: str) -> str:
    """The language of the first record, or the folder's name."""
    path = folder / f"{split}.jsonl"
    for line, record in iter_json_lines(path):
        return text_field(path, line, record, "language").lower() if "language" in record else folder.name
    raise DataError(f"{path} holds no queries")


def _load_language(language: str, folder: Path, split: str) -> Part:
    documents: dict[str, Chunk] = {}
    codebase = folder / "codebase.jsonl"
    for line, record in iter_json_lines(codebase):
        url = text_field(codebase, line, record, "url")
        if url in documents:
            raise DataError(f"{codebase}:{line} field 'url' repeats {url}")
        documents[url] = function_chunk(url, language, read_code(codebase, line, record), documented=False)
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, float]] = {}
    path = folder / f"{split}.jsonl"
    for line, record in iter_json_lines(path):
        url = text_field(path, line, record, "url")
        if url not in documents:
            raise DataError(f"{path}:{line} field 'url' names {url}, which is not in {codebase}")
        query_id = f"{language}-{line}"
        queries[query_id] = words_field(path, line, record, "docstring_tokens")
        qrels[query_id] = {url: 1.0}
    if not queries:
        raise DataError(f"{path} holds no queries")
    return Part(language, queries, documents, qrels)


def read_code(path: Path, line: int, record: Mapping[str, Any]) -> str:
    """The function's source, or its tokens where the record holds no source.

    Raises:
        DataError: If it holds neither; the message names file, line and field.
    """
    for field in ("function", "original_string", "code"):
        if record.get(field) not in (None, ""):
            return text_field(path, line, record, field)
    field = "function_tokens" if "function_tokens" in record else "code_tokens"
    return words_field(path, line, record, field)


def iter_training_pairs(folder: Path) -> Iterator[TrainingPair]:
    """The train split of CodeSearchNet, AdvTest or StaQC, the languages taking turns a file at a time.

    Raises:
        UsageError: If there is no train.jsonl.
        FileError, DataError: As `load_dataset`.
    """
    paths = [
        path for path in (folder / "train.jsonl", *(folder / n / "train.jsonl" for n in LANGUAGES)) if path.exists()
    ]
    if not paths:
        raise UsageError(f"{folder} has no train.jsonl", hint="--ablate trains on the data set's train split")
    for path in paths:
        language = path.parent.name if path.parent.name in LANGUAGES else "python"
        for line, record in iter_json_lines(path):
            field = "docstring_tokens" if "docstring_tokens" in record else "question"
            query = words_field(path, line, record, field)
            identifier = str(record.get("url") or record.get("retrieval_idx") or f"{language}-{line}")
            code = read_code(path, line, record)
            yield TrainingPair(query, identifier, function_chunk(identifier, language, code, documented=False))
