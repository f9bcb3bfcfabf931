"""Strict reading of published files: what is wrong is named by file, line and field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from codeseek.errors import DataError, FileError

__all__ = ["iter_json_array", "iter_json_object", "number_field", "read_text", "text_field", "words_field"]

_DECODER = json.JSONDecoder()


def read_text(path: Path) -> str:
    """Raises FileError if the file cannot be read, DataError if it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from error


def iter_json_array(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields the 1-based line and the value of each object of a JSON array.

    Raises:
        FileError, DataError: If the file cannot be read, is no JSON array, or an entry is no object.
    """
    for line, value in _iter_values(path, "[", "]"):
        if not isinstance(value, dict):
            raise DataError(f"{path}:{line} holds {_kind(value)}, wanted an object")
        yield line, value


def iter_json_object(path: Path) -> Iterator[tuple[int, str, Any]]:
    """Yields the 1-based line, the key and the value of each member of one JSON object, repeated keys included.

    Raises:
        FileError, DataError: If the file cannot be read or is no JSON object.
    """
    waiting: tuple[int, str] | None = None
    for line, value in _iter_values(path, "{", "}"):
        if waiting is None:
            if not isinstance(value, str):
                raise DataError(f"{path}:{line} holds {_kind(value)}, wanted a string as key")
            waiting = line, value
        else:
            yield waiting[0], waiting[1], value
            waiting = None
    if waiting is not None:
        raise DataError(f"{path}:{waiting[0]} has a key without a value")


def _iter_values(path: Path, opening: str, closing: str) -> Iterator[tuple[int, Any]]:
    """The line and value of everything between two brackets; in an object, keys and values take turns."""
    text = read_text(path)
    at, line = _skip_space(text, 0), 1
    line += text.count("\n", 0, at)
    if text[at : at + 1] != opening:
        raise DataError(f"{path}:{line} begins with {text[at : at + 1]!r}, wanted {opening!r}")
    count = 0
    before, at = at, _skip_space(text, at + 1)
    while text[at : at + 1] != closing or count == 0:
        line, before = line + text.count("\n", before, at), at
        if text[at : at + 1] == closing:
            return
        if count:
            separator = ":" if opening == "{" and count % 2 else ","
            if text[at : at + 1] != separator:
                raise DataError(f"{path}:{line} has {text[at : at + 1]!r}, wanted {separator!r}")
            at = _skip_space(text, at + 1)
            line, before = line + text.count("\n", before, at), at
        try:
            value, end = _DECODER.raw_decode(text, at)
        except ValueError as error:
            raise DataError(f"{path}:{line} is no JSON: {error}") from error
        yield line, value
        count += 1
        at = _skip_space(text, end)


def _skip_space(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\n", "\r"):
        at += 1
    return at


def text_field(path: Path, line: int, record: Mapping[str, Any], field: str) -> str:
    """A string that is not blank.

    Raises:
        DataError: If it is something else.
    """
    value = record.get(field)
    if not isinstance(value, str) or not value.strip():
        raise _wrong(path, line, record, field, "a string that is not empty")
    return value


def words_field(path: Path, line: int, record: Mapping[str, Any], field: str) -> str:
    """A list of tokens, joined by spaces; a string is taken as it is, since the data sets write both.

    Raises:
        DataError: If it is something else or empty.
    """
    value = record.get(field)
    if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
        value = " ".join(value)
    if not isinstance(value, str) or not value.strip():
        raise _wrong(path, line, record, field, "a list of strings, or a string")
    return value


def number_field(path: Path, line: int, record: Mapping[str, Any], field: str) -> int:
    """A whole number.

    Raises:
        DataError: If it is something else.
    """
    value = record.get(field)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(path, line, record, field, "a whole number")
    return value


def _wrong(path: Path, line: int, record: Mapping[str, Any], field: str, wanted: str) -> DataError:
    got = _kind(record[field]) if field in record else "nothing"
    return DataError(f"{path}:{line} field {field!r} holds {got}, wanted {wanted}")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str | list | dict) and not value:
        return f"an empty {type(value).__name__}"
    return type(value).__name__
