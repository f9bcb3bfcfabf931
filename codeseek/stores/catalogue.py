"""The catalogue: one SQLite database a root, and the truth about what is indexed.

Chunks get ascending numbers that are never reused. The chunks of one commit form a *segment*: an immutable block of
packed columns with its own posting lists; what is deleted later is marked in the segment's bitmap. A reader holds one
read transaction and sees one state; a writer that is killed leaves the state before its last commit.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from codeseek.errors import IndexDamaged, IndexFormat, IndexMissing
from codeseek.paths import check_owner
from codeseek.stores.sqlite import Database, connect_reader, connect_writer, transaction, translated
from codeseek.types import ByteRange, Kind, Skipped, SkipReason, Span, StoredChunk

T = TypeVar("T")

__all__ = [
    "FORMAT",
    "KINDS",
    "CatalogueFormat",
    "FileRecord",
    "SkipRecord",
    "open_for_reading",
    "open_for_writing",
]

APPLICATION_ID = 0x636F7365  # "cose", so that `file` and we can tell the database from another
# Bump when an older version would read the file wrongly, or when chunks, terms or keys of the same source change.
#   1  first format
#   2  the encoder reads 200 characters of what is aside
#   3  of what the ranker reads, 3,000 characters are kept; the names of definitions that are no chunks are
FORMAT = 3

# The code of a kind is its place here, and is on disk: append only.
KINDS: tuple[Kind, ...] = (
    Kind.FUNCTION,
    Kind.METHOD,
    Kind.CONSTRUCTOR,
    Kind.CLASS,
    Kind.STRUCT,
    Kind.ENUM,
    Kind.TRAIT,
    Kind.INTERFACE,
    Kind.TYPE,
    Kind.MODULE,
    Kind.MACRO,
    Kind.CODE,
    Kind.TEXT,
)
KIND_CODES = {kind: code for code, kind in enumerate(KINDS)}

# Compared with the database word for word when it is opened.
# `files.mtime_ns` is -1 where the file was so young that a later write could carry the same time (git: racy entries).
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE languages (code INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE files (
    id INTEGER PRIMARY KEY, path BLOB UNIQUE NOT NULL, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL, content_hash BLOB NOT NULL, language INTEGER NOT NULL,
    first_number INTEGER NOT NULL, chunks INTEGER NOT NULL
);
CREATE TABLE skipped (
    path BLOB PRIMARY KEY, reason TEXT NOT NULL, detail TEXT NOT NULL,
    size_bytes INTEGER, mtime_ns INTEGER, ctime_ns INTEGER
) WITHOUT ROWID;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY, first_number INTEGER NOT NULL, last_number INTEGER NOT NULL, chunks INTEGER NOT NULL,
    columns BLOB NOT NULL, keys BLOB NOT NULL, dead BLOB
);
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY, file_id INTEGER NOT NULL, kind INTEGER NOT NULL, language INTEGER NOT NULL,
    name TEXT NOT NULL, scope TEXT NOT NULL, signature TEXT NOT NULL,
    start_line INTEGER NOT NULL, end_line INTEGER NOT NULL, start_byte INTEGER NOT NULL, end_byte INTEGER NOT NULL,
    part INTEGER NOT NULL, members TEXT NOT NULL, document BLOB NOT NULL
);
CREATE TABLE postings (
    segment INTEGER NOT NULL, term TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (segment, term)
) WITHOUT ROWID;
"""


class CatalogueFormat(IndexFormat):
    """A catalogue of another version; `version` is its format, 0 where it says none.

    The header of the file may not say it yet: that of a first build is in the `-wal` until a checkpoint.
    """

    def __init__(self, message: str, *, hint: str = "", version: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.version = version


@dataclass(frozen=True, slots=True)
class FileRecord:
    """An indexed file as of its last build. Its chunks are `first_number` to `first_number + chunks`, half-open."""

    id: int
    path: bytes
    size_bytes: int
    modified_ns: int
    changed_ns: int
    content_hash: bytes
    first_number: int
    chunks: int


@dataclass(frozen=True, slots=True)
class SkipRecord:
    """A file that was read and left out; `modified_ns` is None where the walk alone decided."""

    skipped: Skipped
    size_bytes: int | None = None
    modified_ns: int | None = None
    changed_ns: int | None = None


def open_for_writing(path: Path, root: bytes) -> Database:
    """Opens the catalogue at `path`, making an empty one where there is none.

    Raises:
        IndexFormat: If another version wrote it.
        IndexDamaged: If it cannot be read.
        FileError: If the folder or file cannot be written.
    """
    with translated(path):
        database = connect_writer(path)
        try:
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                with transaction(database):
                    for statement in SCHEMA.split(";"):
                        database.execute(statement)
                    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    database.execute(f"PRAGMA user_version = {FORMAT}")
                    set_meta(database, "root", root)
                    set_meta(database, "identity", secrets.token_hex(8))
            _check_format(database, path)
        except BaseException:
            database.close()
            raise
    return database


def open_for_reading(path: Path, root: Path) -> Database:
    """Opens the catalogue for reading and begins its read transaction.

    Raises:
        IndexMissing: If nothing was indexed.
        IndexFormat: If another version wrote it.
        IndexDamaged: If it cannot be read.
        FileError: If its folder belongs to another user.
    """
    if not path.exists():
        raise IndexMissing(f"{root} is not indexed", hint=f"build the index: codeseek index {root}")
    check_owner(path.parent)
    with translated(path):
        database = connect_reader(path)
        try:
            database.execute("BEGIN DEFERRED")
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                raise IndexMissing(f"{root} is not indexed yet", hint=f"build the index: codeseek index {root}")
            _check_format(database, path)
        except BaseException:
            database.close()
            raise
    return database


def _check_format(database: Database, path: Path) -> None:
    """Raises unless the database is a catalogue of this version's format."""
    application = database.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise IndexDamaged(f"{path} is not a catalogue of codeseek", hint="in its repository: codeseek index --rebuild")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT:
        remedy = "the next search builds it again, as does in its repository: codeseek index"
        if version > FORMAT:
            remedy = "upgrade codeseek, or in its repository: codeseek index --rebuild"
        raise CatalogueFormat(
            f"the index {path.parent} was written by format {version}, this version reads {FORMAT}",
            hint=remedy,
            version=version,
        )
    # A flipped bit in a column's name would be damage that no check of SQLite finds.
    found = {text for (text,) in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if found != {statement.strip() for statement in SCHEMA.split(";") if statement.strip()}:
        raise IndexDamaged(
            f"{path} has other tables than it should", hint="in its repository: codeseek index --rebuild"
        )


@contextmanager
def _decoded() -> Iterator[None]:
    """Raises what a damaged value leads to as `IndexDamaged`; a decorator of what turns rows into objects."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, zlib.error) as error:
        raise IndexDamaged(
            f"the catalogue holds values that cannot be read: {error}",
            hint="in its repository: codeseek index --rebuild",
        ) from error


# ----------------------------------------------------------------------------------------------------------------- meta


def get_meta(database: Database, key: str, default: Any = None) -> Any:
    row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return default if row is None else row[0]


def set_meta(database: Database, key: str, value: Any) -> None:
    statement = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    database.execute(statement, (key, value))


def identity(database: Database) -> str:
    """Tells a catalogue from one that was made anew in its place, whose numbers mean other chunks."""
    return get_meta(database, "identity", "")


@_decoded()
def built_s(database: Database) -> float:
    """When the catalogue last changed, in seconds since the epoch; 0 for never."""
    return float(get_meta(database, "built_s", 0.0))


def file_limit(database: Database) -> int | None:
    """The size in bytes above which files are left out, where somebody chose one for this index."""
    return get_meta(database, "max_file_bytes")


def set_file_limit(database: Database, max_file_bytes: int) -> None:
    """Remembers the limit for every later update. Writes nothing where it is known already."""
    if file_limit(database) != max_file_bytes:
        with transaction(database):
            set_meta(database, "max_file_bytes", max_file_bytes)


@_decoded()
def language_names(database: Database) -> tuple[str, ...]:
    """The languages by code; code 0 stands for none."""
    return ("", *(name for (name,) in database.execute("SELECT name FROM languages ORDER BY code")))


def language_code(database: Database, name: str | None) -> int:
    """The code of a language, which is made where it is new. Called inside a write transaction."""
    if not name:
        return 0
    database.execute("INSERT INTO languages (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
    return database.execute("SELECT code FROM languages WHERE name = ?", (name,)).fetchone()[0]


# ---------------------------------------------------------------------------------------------------------------- files


@_decoded()
def load_files(database: Database) -> dict[bytes, FileRecord]:
    rows = database.execute(
        "SELECT id, path, size_bytes, mtime_ns, ctime_ns, content_hash, first_number, chunks FROM files"
    )
    return {row[1]: FileRecord(*row) for row in rows}


@_decoded()
def load_file(database: Database, path: str) -> FileRecord | None:
    """The record of one file; None where it is not indexed."""
    row = database.execute(
        "SELECT id, path, size_bytes, mtime_ns, ctime_ns, content_hash, first_number, chunks FROM files WHERE path = ?",
        (encode_path(path),),
    ).fetchone()
    return None if row is None else FileRecord(*row)


@_decoded()
def load_skipped(database: Database) -> dict[bytes, SkipRecord]:
    rows = database.execute("SELECT path, reason, detail, size_bytes, mtime_ns, ctime_ns FROM skipped")
    return {
        path: SkipRecord(Skipped(_decode_path(path), SkipReason(reason), detail), *stat)
        for path, reason, detail, *stat in rows
    }


def replace_skipped(database: Database, records: Iterable[SkipRecord]) -> None:
    database.execute("DELETE FROM skipped")
    database.executemany(
        "INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                encode_path(record.skipped.path),
                record.skipped.reason.value,
                record.skipped.detail.encode("utf-8", "replace").decode(),
                record.size_bytes,
                record.modified_ns,
                record.changed_ns,
            )
            for record in records
        ],
    )


def encode_path(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _decode_path(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


# --------------------------------------------------------------------------------------------------------------- chunks


def pack_document(text: str) -> bytes:
    """Level 1: smaller at little cost; the texts are read for few candidates only."""
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 1)


@_decoded()
def load_chunks(database: Database, numbers: Sequence[int], languages: Sequence[str]) -> list[StoredChunk]:
    """The chunks of `numbers`, in that order.

    Raises:
        IndexDamaged: If one is not in the catalogue.
    """
    found: dict[int, StoredChunk] = {}
    statement = (
        "SELECT number, path, c.language, kind, name, scope, signature, start_line, end_line, start_byte, end_byte,"
        " part, members FROM chunks c JOIN files f ON f.id = c.file_id"
    )
    rows = _select(database, statement, numbers)
    for number, path, language, kind, name, scope, signature, *span, part, members in rows:
        found[number] = StoredChunk(
            number=number,
            path=_decode_path(path),
            language=languages[language] or None,
            kind=KINDS[kind],
            name=name,
            scope=tuple(json.loads(scope)),
            signature=signature,
            span=Span(span[0], span[1]),
            bytes=ByteRange(span[2], span[3]),
            part=part,
            members=tuple(members.split("\n")) if members else (),
        )
    return _in_order(found, numbers)


@_decoded()
def load_documents(database: Database, numbers: Sequence[int]) -> list[str]:
    """What the ranker reads of the chunks of `numbers` (`chunkers.context.ranker_text`), in that order.

    Raises:
        IndexDamaged: If one is not in the catalogue.
    """
    found = {
        number: zlib.decompress(document).decode("utf-8", "surrogatepass")
        for number, document in _select(database, "SELECT number, document FROM chunks", numbers)
    }
    return _in_order(found, numbers)


def _select(database: Database, statement: str, numbers: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """The rows of document numbers, in any order; SQLite limits how many values one statement names."""
    for at in range(0, len(numbers), 500):
        batch = [int(number) for number in numbers[at : at + 500]]
        yield from database.execute(f"{statement} WHERE number IN ({','.join('?' * len(batch))})", batch)


def _in_order(found: Mapping[int, T], numbers: Sequence[int]) -> list[T]:
    try:
        return [found[int(number)] for number in numbers]
    except KeyError as error:
        raise IndexDamaged(
            f"chunk {error} is missing from the catalogue", hint="in its repository: codeseek index --rebuild"
        ) from error
