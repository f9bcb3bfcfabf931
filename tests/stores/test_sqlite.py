"""Which errors of SQLite count as damage, for which a file is removed and made anew, and which may pass."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from codeseek.errors import CodeseekError, FileError, IndexDamaged, IndexLocked
from codeseek.stores.sqlite import translated

PATH = Path("/cache/catalogue.sqlite")


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (sqlite3.SQLITE_CORRUPT, IndexDamaged, "is damaged: why"),
        (sqlite3.SQLITE_CORRUPT | 1 << 8, IndexDamaged, "is damaged: why"),
        (sqlite3.SQLITE_NOTADB, IndexDamaged, "is damaged: why"),
        (sqlite3.SQLITE_ERROR, IndexDamaged, "is damaged: why"),
        (sqlite3.SQLITE_CONSTRAINT, IndexDamaged, "is damaged: why"),
        (sqlite3.SQLITE_MISMATCH, IndexDamaged, "is damaged: why"),
        (sqlite3.SQLITE_BUSY, IndexLocked, "is in use by another process"),
        (sqlite3.SQLITE_LOCKED, IndexLocked, "is in use by another process"),
        (sqlite3.SQLITE_PROTOCOL, IndexLocked, "is in use by another process"),
        (sqlite3.SQLITE_FULL, FileError, "cannot write "),
        (sqlite3.SQLITE_IOERR | 1 << 8, FileError, "cannot read or write "),
        (sqlite3.SQLITE_READONLY, FileError, "cannot open or write "),
        (sqlite3.SQLITE_CANTOPEN, FileError, "cannot open or write "),
        (sqlite3.SQLITE_NOMEM, FileError, "cannot read or write "),
        (sqlite3.SQLITE_INTERRUPT, FileError, "cannot read or write "),
        (sqlite3.SQLITE_ABORT, FileError, "cannot read or write "),
        (sqlite3.SQLITE_SCHEMA, FileError, "cannot read or write "),
    ],
)
def test_a_code_says_whether_the_file_is_wrong(code: int, kind: type[CodeseekError], message: str) -> None:
    error = sqlite3.OperationalError("why")
    error.sqlite_errorcode = code
    with pytest.raises(kind, match=message) as caught, translated(PATH):
        raise error
    assert str(PATH) in str(caught.value)
    assert caught.value.hint


def test_what_python_raises_without_a_code() -> None:
    """Misuse is no damage; text that is not UTF-8 is, as a flipped bit leaves it."""
    database = sqlite3.connect(":memory:")
    with pytest.raises(IndexDamaged, match="Could not decode to UTF-8"), translated(PATH):
        database.execute("SELECT CAST(x'ff' AS TEXT)").fetchone()
    with pytest.raises(FileError, match="number of bindings"), translated(PATH):
        database.execute("SELECT ?", ())
    database.close()
    with pytest.raises(FileError, match="closed database"), translated(PATH):
        database.execute("SELECT 1")


def test_tables_of_others_are_damage() -> None:
    database = sqlite3.connect(":memory:")
    with pytest.raises(IndexDamaged, match="no such table: meta"), translated(PATH):
        database.execute("SELECT * FROM meta")
    database.close()
