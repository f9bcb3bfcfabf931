"""Vectors by content: one store an encoder, shared by all roots, worktrees and clones.

    <encoder>.sqlite            key -> row; the key is the hash of the text that the encoder read, so equal text is
                                encoded once, wherever and whenever it appears
    <encoder>.<identity>.rows   the rows, one after the other (`indexes.quantised`), which searches map into memory

A row is on disk before its key is committed; what lies behind the last committed row is overwritten by the next. Rows
never change or move while the identity stays. Whoever compacts writes another file and names it in the same commit.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from codeseek.errors import CodeseekError, IndexDamaged, IndexFormat
from codeseek.indexes.quantised import find_damaged, quantise, record_dtype
from codeseek.paths import make_private_dir, vectors_path
from codeseek.stores.format_1 import convert_format_1
from codeseek.stores.rows import iter_rows_files, map_rows, remove_other_rows, rows_path, write_rows
from codeseek.stores.sqlite import connect_reader, connect_writer, transaction, translated

__all__ = ["KEY_DTYPE", "VectorStore", "find_damaged_rows", "open_vectors", "store_files"]

APPLICATION_ID = 0x636F7376  # "cosv"
# Bump when the stored numbers mean something else.
#   1  float16, unit length, in the database
#   2  codes of eight bits, in a file beside it; a store of format 1 is converted when it is opened for writing
FORMAT = 2
KEY_DTYPE = np.dtype("S16")  # compared with padding zeros, which is exact for keys of one length
BLOCK_ROWS = 65_536
SCANNED_ROWS = 16_384  # widened together: 50 MB at 384 dimensions
DIMENSION_MAX = 1 << 16
BATCH_KEYS = 8_192  # SQLite takes 32,766 variables a statement

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE vectors (id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL);
"""


def open_vectors(encoder_name: str, path: Path | None = None) -> VectorStore:
    """Opens the store of an encoder, making it where it is missing.

    Raises:
        FileError: If it cannot be written.
        IndexDamaged: If it is not one of ours.
    """
    path = path or vectors_path(encoder_name)
    make_private_dir(path.parent)
    return VectorStore(path)


def store_files(path: Path) -> list[Path]:
    """The files of the store at `path` that are there: the database, what SQLite keeps beside it, and the rows."""
    names = (path.name, f"{path.name}-wal", f"{path.name}-shm")
    return [file for file in (*map(path.with_name, names), *sorted(iter_rows_files(path))) if file.exists()]


class VectorStore:
    """Rows of vectors [D] by 16-byte key. Safe with several processes: a key is written once, whoever comes first.

    Args:
        path: Of the database; made where it is missing, unless `read_only`.
        read_only: Also opens what cannot be written. Sees one state until it is closed.

    Raises:
        IndexDamaged: If it is not one of ours, or rows are missing.
        IndexFormat: If another version wrote it, and with `read_only` also if an older one did.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._mapped: np.ndarray | None = None
        with translated(path):
            self._database = connect_reader(path) if read_only else connect_writer(path)
            try:
                if not read_only:
                    self._make_schema()
                self._check_format()
                if read_only:
                    self._mapped = self._begin_reading()
                else:
                    self.records()
            except BaseException:
                self._database.close()
                raise

    def _begin_reading(self) -> np.ndarray:
        """The rows of one state; what another process compacts between two looks has moved by the second."""
        self._database.execute("BEGIN DEFERRED")
        try:
            return self._map_rows()
        except IndexDamaged:
            self._database.execute("ROLLBACK")
            self._database.execute("BEGIN DEFERRED")
            return self._map_rows()

    def _make_schema(self) -> None:
        """Makes an empty store, or converts one of format 1: all of it or nothing."""
        if self._version() >= FORMAT:
            return
        converted, identity = False, secrets.token_hex(8)
        with self._naming_rows(identity), transaction(self._database):
            version = self._version()  # another process may have come first
            if version == 0 and self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                remove_other_rows(self.path, None)
                for statement in SCHEMA.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._set_meta("identity", identity)
                self._database.execute(f"PRAGMA user_version = {FORMAT}")
            elif version == 1 and self._application() == APPLICATION_ID:
                remove_other_rows(self.path, None)
                convert_format_1(self._database, self.path, identity)
                self._database.execute(f"PRAGMA user_version = {FORMAT}")
                converted = True
        if converted:
            self._database.execute("VACUUM")

    @contextmanager
    def _naming_rows(self, identity: str) -> Iterator[None]:
        """Around a transaction that writes another file of rows and names it: if that comes to nothing, the file goes.
        It may be what filled the disk, and nobody else would remove it before the next one is written."""
        try:
            yield
        except BaseException:
            with suppress(CodeseekError, OSError):  # the first failure is the one to tell
                if self.identity != identity:  # Ctrl-C may also come right behind the commit
                    rows_path(self.path, identity).unlink(missing_ok=True)
            raise

    def _check_format(self) -> None:
        if self._application() != APPLICATION_ID:
            raise self._damaged("is not a vector store of codeseek")
        version = self._version()
        if version != FORMAT:
            remedy = "codeseek index" if version < FORMAT else f"upgrade codeseek, or remove them: rm {self.path}"
            raise IndexFormat(
                f"the vectors {self.path} were written by format {version}, this version reads {FORMAT}", hint=remedy
            )

    def _map_rows(self) -> np.ndarray:
        count = len(self)
        return map_rows(self.path, self.identity, count, self.dimension) if count else np.empty(0, record_dtype(1))

    def _damaged(self, what: str) -> IndexDamaged:
        return IndexDamaged(f"{self.path} {what}", hint=f"remove it: rm {self.path}")

    def _version(self) -> int:
        return self._database.execute("PRAGMA user_version").fetchone()[0]

    def _application(self) -> int:
        return self._database.execute("PRAGMA application_id").fetchone()[0]

    def _meta(self, key: str) -> str | int | None:
        row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def _set_meta(self, key: str, value: str | int) -> None:
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def __enter__(self) -> VectorStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def __len__(self) -> int:
        with translated(self.path):
            return self._database.execute("SELECT coalesce(max(id) + 1, 0) FROM vectors").fetchone()[0]

    @property
    def identity(self) -> str:
        """Names the file of the rows: another one once rows have moved."""
        with translated(self.path):
            return str(self._meta("identity"))

    @property
    def dimension(self) -> int:
        """D; 0 while nothing was stored."""
        with translated(self.path):
            value = self._meta("dimension") or 0
        if not isinstance(value, int) or not 0 <= value <= DIMENSION_MAX:
            raise self._damaged(f"holds vectors of {value!r} numbers")
        return value

    def put_many(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Writes vectors in one transaction; keys that are there already keep theirs.

        Args:
            keys: [N] of 16 bytes.
            vectors: [N, D]; stored as `indexes.quantised` rounds them.

        Raises:
            IndexDamaged: If D is not that of the vectors that are there.
        """
        if not len(keys):
            return
        with translated(self.path), transaction(self._database):
            if self.dimension not in (0, vectors.shape[1]):
                raise self._damaged(f"holds vectors of {self.dimension} numbers, not {vectors.shape[1]}")
            self._set_meta("dimension", vectors.shape[1])
            names = np.array(keys, KEY_DTYPE)
            known = self._rows_by_key(names)
            fresh: dict[bytes, int] = {}
            for at, key in enumerate(key_bytes(names)):
                if key not in known:
                    fresh.setdefault(key, at)
            first = len(self)
            write_rows(self.path, self.identity, first, [quantise(np.asarray(vectors)[list(fresh.values())])])
            self._database.executemany("INSERT INTO vectors VALUES (?, ?)", enumerate(fresh, first))

    def missing(self, keys: np.ndarray) -> np.ndarray:
        """Of `keys` [N] of `KEY_DTYPE`, those without a vector, in the order given."""
        return keys[self.rows_of(keys) < 0]

    def rows_of(self, keys: np.ndarray) -> np.ndarray:
        """The row of each key [N] of `KEY_DTYPE`; -1 where there is none. [N] int32."""
        rows = np.empty(len(keys), np.int32)
        for start in range(0, len(keys), BLOCK_ROWS):
            block = keys[start : start + BLOCK_ROWS]
            found = self._rows_by_key(block)
            rows[start : start + len(block)] = [found.get(key, -1) for key in key_bytes(block)]
        return rows

    def _rows_by_key(self, keys: np.ndarray) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        with translated(self.path):
            for batch in _batches(keys):
                marks = ",".join("?" * len(batch))
                found.update(self._database.execute(f"SELECT key, id FROM vectors WHERE key IN ({marks})", batch))
        return found

    @contextmanager
    def unmoved(self) -> Iterator[None]:
        """What is read inside belongs together: no other process compacts meanwhile."""
        if self._database.in_transaction:
            yield
            return
        with translated(self.path), transaction(self._database):
            yield

    def records(self) -> np.ndarray:
        """All rows, memory-mapped: [R] of `quantised.record_dtype(D)`. Valid also after the store is closed.

        Raises:
            IndexDamaged: If rows are missing.
        """
        if self._mapped is not None:
            return self._mapped
        with self.unmoved():
            return self._map_rows()

    def keys(self) -> Iterator[bytes]:
        """All keys, by row."""
        with translated(self.path):
            for (key,) in self._database.execute("SELECT key FROM vectors ORDER BY id"):
                yield key

    def drop_damaged(self) -> int:
        """Reads every vector and removes those that are not what was written, to be made again. Returns how many."""
        damaged = set(find_damaged_rows(self.records()).tolist())
        if not damaged:
            return 0
        with translated(self.path):
            rows = self._database.execute("SELECT id, key FROM vectors").fetchall()
        return self.keep_only(key for row, key in rows if row not in damaged)

    def keep_only(self, keys: Iterable[bytes]) -> int:
        """Removes all vectors but those of `keys` and gives their space back to the disk.

        Returns:
            How many were removed.
        """
        execute, identity = self._database.execute, secrets.token_hex(8)
        with translated(self.path):
            with self._naming_rows(identity), transaction(self._database):
                execute("CREATE TEMP TABLE kept (key BLOB PRIMARY KEY) WITHOUT ROWID")
                self._database.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((bytes(key),) for key in keys))
                execute("CREATE TEMP TABLE left AS SELECT id, key FROM vectors WHERE key IN kept ORDER BY id")
                left = np.array([row for (row,) in execute("SELECT id FROM left ORDER BY rowid")], np.int64)
                removed = len(self) - len(left)
                remove_other_rows(self.path, self.identity)
                if removed:
                    records = self.records()
                    blocks = (left[at : at + BLOCK_ROWS] for at in range(0, len(left), BLOCK_ROWS))
                    write_rows(self.path, identity, 0, (records[rows] for rows in blocks))
                    execute("DELETE FROM vectors")
                    execute("INSERT INTO vectors SELECT rowid - 1, key FROM left")
                    self._set_meta("identity", identity)
                execute("DROP TABLE kept")
                execute("DROP TABLE left")
            if removed:
                with transaction(self._database):
                    remove_other_rows(self.path, self.identity)
                execute("VACUUM")
        return removed


def find_damaged_rows(records: np.ndarray) -> np.ndarray:
    """As `find_damaged`, in blocks, so that memory stays bounded."""
    starts = range(0, len(records), SCANNED_ROWS)
    return np.concatenate(
        [np.empty(0, np.int64), *(start + find_damaged(records[start : start + SCANNED_ROWS]) for start in starts)]
    )


def key_bytes(keys: np.ndarray) -> list[bytes]:
    """Keys as 16 bytes each; numpy would drop trailing zeros."""
    data = np.ascontiguousarray(keys, KEY_DTYPE).tobytes()
    return [data[at : at + 16] for at in range(0, len(data), 16)]


def _batches(keys: np.ndarray) -> Iterator[list[bytes]]:
    """Sorted, so that neighbouring keys are read from one page."""
    ordered = sorted(key_bytes(keys))
    for at in range(0, len(ordered), BATCH_KEYS):
        yield ordered[at : at + BATCH_KEYS]
