"""Runs and qrels in the formats of the TREC tools.

    run     query-id Q0 document-id rank score tag
    qrels   query-id 0 document-id relevance

Fields are separated by white space, so ids must not hold any; `safe_id` makes ids of data sets fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codeseek.errors import DataError, FileError

__all__ = ["read_qrels", "read_run", "safe_id", "write_qrels", "write_run"]


def safe_id(identifier: str) -> str:
    """`identifier` without white space, which is percent-encoded; distinct ids stay distinct."""
    return re.sub(r"[\s%]", lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), identifier)


def write_run(path: Path, run: Mapping[str, Sequence[str]], tag: str) -> None:
    """Writes rankings; the score is 1 / rank, since the tools order by it and forget the rank column.

    Raises:
        FileError: If the file cannot be written.
    """
    lines = (
        f"{safe_id(query)} Q0 {safe_id(document)} {rank} {1 / rank:.9f} {tag}\n"
        for query, documents in run.items()
        for rank, document in enumerate(documents, 1)
    )
    _write(path, lines)


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, float]]) -> None:
    """Writes judgements; a mean of several judges is rounded to the nearest whole relevance, as the format demands.

    Raises:
        FileError: If the file cannot be written.
    """
    lines = (
        f"{safe_id(query)} 0 {safe_id(document)} {int(relevance + 0.5)}\n"
        for query, judged in qrels.items()
        for document, relevance in judged.items()
    )
    _write(path, lines)


def _write(path: Path, lines: Iterator[str]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error


def read_run(path: Path) -> dict[str, list[str]]:
    """Reads rankings: by descending score, ties by descending document id, as trec_eval orders them.

    Raises:
        FileError: If the file cannot be read.
        DataError: If a line is malformed; the message names file, line and field.
    """
    scored: dict[str, list[tuple[float, str]]] = {}
    for number, fields in _rows(path, ("query", "Q0", "document", "rank", "score", "tag")):
        score = _number(path, number, "score", fields[4])
        scored.setdefault(fields[0], []).append((score, fields[2]))
    return {query: [document for _, document in sorted(pairs, reverse=True)] for query, pairs in scored.items()}


def read_qrels(path: Path) -> dict[str, dict[str, float]]:
    """Reads judgements.

    Raises:
        FileError: If the file cannot be read.
        DataError: If a line is malformed or judges a pair again; the message names file, line and field.
    """
    qrels: dict[str, dict[str, float]] = {}
    for number, fields in _rows(path, ("query", "iteration", "document", "relevance")):
        judged = qrels.setdefault(fields[0], {})
        if fields[2] in judged:
            raise DataError(f"{path}:{number} field 'document' judges {fields[2]} of query {fields[0]} a second time")
        judged[fields[2]] = _number(path, number, "relevance", fields[3])
    return qrels


def _rows(path: Path, names: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from error
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != len(names):
            raise DataError(f"{path}:{number} has {len(fields)} fields, wanted {len(names)}: {' '.join(names)}")
        yield number, fields


def _number(path: Path, line: int, field: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{path}:{line} field {field!r} holds {text!r}, wanted a number") from error
