"""Queries as they come in: an argument, standard input, or a file of JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from codeseek.cli.streams import notice
from codeseek.errors import CodeseekError, DataError, FileError, UsageError
from codeseek.types import QUERY_MAX_CHARS


@dataclass(frozen=True, slots=True)
class Query:
    """One query, or why it cannot be asked: one bad line must not stop a batch."""

    query_id: str
    text: str
    failure: CodeseekError | None = None


def check_query(text: str) -> str:
    """Returns the query without surrounding blanks, as valid Unicode, cut to `QUERY_MAX_CHARS` with a notice.

    Raises:
        UsageError: If nothing is left.
    """
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = " ".join(text.replace("\0", " ").split())
    if not text:
        raise UsageError("the query is empty", hint='describe what the code does: codeseek search "parse a date"')
    if len(text) > QUERY_MAX_CHARS:
        notice(f"the query has {len(text):,} characters, only the first {QUERY_MAX_CHARS:,} are used")
        text = text[:QUERY_MAX_CHARS]
    return text


def read_batch(file: Path) -> Iterator[Query]:
    """Yield the queries of a file of JSON lines, `-` for standard input; lines that cannot be used carry their failure.

    Raises:
        FileError: If the file cannot be opened.
    """
    try:
        opened = nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb")
    except OSError as error:
        raise FileError(
            f"cannot read {file}: {(error.strerror or str(error)).lower()}",
            hint='--batch wants a file with a line {"query_id": "1", "query": "parse a date"} for each query',
        ) from error
    return _iter_queries(opened, str(file))


def _iter_queries(opened: AbstractContextManager[BinaryIO], name: str) -> Iterator[Query]:
    with opened as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield parse_batch_line(line, f"{name}:{number}")
            except CodeseekError as error:
                yield Query(str(number), "", error)


def parse_batch_line(line: bytes, place: str) -> Query:
    """Returns the query of one JSON line; a `query_id` may be a string or a whole number.

    Raises:
        DataError: If the line is not such an object; the message begins with `place`.
        UsageError: If the query is empty.
    """
    wanted = 'wanted {"query_id": "1", "query": "parse a date"}'
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON", hint=wanted) from error
    if not isinstance(record, dict):
        raise DataError(f"{place}: not an object", hint=wanted)
    query_id, query = record.get("query_id"), record.get("query")
    if isinstance(query_id, bool) or not isinstance(query_id, str | int):
        raise DataError(f"{place}: query_id is {_shown(query_id)}", hint=wanted)
    if not isinstance(query, str):
        raise DataError(f"{place}: query is {_shown(query)}", hint=wanted)
    try:
        return Query(str(query_id), check_query(query.encode("utf-8", "replace").decode("utf-8")))
    except UsageError as error:
        raise DataError(f"{place}: {error}", hint=wanted) from error


def _shown(value: object) -> str:
    return "missing" if value is None else f"of type {type(value).__name__}, not a string"
