"""The door to SQLite: how databases are opened, and its exceptions in the words of `errors.py`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codeseek.errors import CodeseekError, FileError, IndexDamaged, IndexLocked

__all__ = [
    "Database",
    "connect_reader",
    "connect_writer",
    "remove_database",
    "switch_to_wal",
    "transaction",
    "translated",
]

Database = sqlite3.Connection

BUSY_TIMEOUT_S = 30.0  # the vector store is shared; a batch of 1,024 vectors is written in well under a second
CACHE_KIB = 16_384

# What says that the file itself is wrong, so that making it anew helps: ERROR is "no such table", CONSTRAINT and
# MISMATCH are values that no writer of ours leaves. Anything else may pass by itself, and must not cost the file.
DAMAGE_CODES = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
)
IN_USE_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raises sqlite3's and the system's errors as ours; `path` is the file that the message names."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error
    except UnicodeDecodeError as error:  # SQLite's own message, when it quotes a name that is damaged
        raise IndexDamaged(f"{path} is damaged", hint="in its repository: codeseek index --rebuild") from error
    except OSError as error:
        raise FileError(
            f"cannot read or write {path}: {error.strerror or error}",
            hint="free space or fix permissions, or choose another cache folder with CODESEEK_CACHE_DIR=DIR",
        ) from error


def _translate(error: sqlite3.Error, path: Path) -> CodeseekError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    # Python's own, without a code: text in the file that is not UTF-8 is an OperationalError, misuse is another class.
    is_undecodable = code is None and isinstance(error, sqlite3.OperationalError)
    if primary in DAMAGE_CODES or is_undecodable:
        return IndexDamaged(f"{path} is damaged: {error}", hint="in its repository: codeseek index --rebuild")
    if primary in IN_USE_CODES:
        return IndexLocked(f"{path} is in use by another process", hint="try again when it has finished")
    if primary == sqlite3.SQLITE_FULL:
        return FileError(
            f"cannot write {path}: {error}",
            hint="free space on that disk; codeseek clean --list shows what the indexes take",
        )
    if primary == sqlite3.SQLITE_IOERR:
        return FileError(
            f"cannot read or write {path}: {error}",
            hint="free space on that disk, or check it; codeseek clean --list shows what the indexes take",
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH):
        return FileError(
            f"cannot open or write {path}: {error}",
            hint="fix its permissions, or choose another cache folder with CODESEEK_CACHE_DIR=DIR",
        )
    return FileError(
        f"cannot read or write {path}: {error}",
        hint="try again; if it stays so, in its repository: codeseek index --rebuild",
    )


def connect_writer(path: Path) -> Database:
    """Opens or makes a database for writing: WAL, one fsync a checkpoint (a power cut may cost the last commits, never
    the file). Permissions are the user's alone; SQLite gives `-wal` and `-shm` those of the database."""
    path.touch(mode=0o600, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def switch_to_wal(connection: Database) -> None:
    """Two processes that make one database at once: SQLite refuses one of them at once, whatever the time-out, because
    both hold what the other waits for (https://www.sqlite.org/c3ref/busy_handler.html)."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(0.01)


def connect_reader(path: Path) -> Database:
    """Opens an existing database for reading, also where neither the file nor its folder can be written."""
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise
        # A WAL database in a folder that cannot be written, with nothing in its WAL: as good as read-only media.
        connection = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return connection


def remove_database(path: Path) -> None:
    """The database last: beside a new one, an old `-wal` would be taken for its own."""
    with translated(path):
        for name in (f"{path.name}-shm", f"{path.name}-wal", path.name):
            path.with_name(name).unlink(missing_ok=True)


@contextmanager
def transaction(database: Database) -> Iterator[None]:
    """Everything inside is written, or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
