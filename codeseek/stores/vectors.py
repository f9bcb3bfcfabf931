"""Vectors by content: one database an encoder, shared by all roots, worktrees and clones.

The key is the hash of the text that the encoder read, so equal text is encoded once, wherever and whenever it appears.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from codeseek.errors import IndexDamaged, IndexFormat
from codeseek.paths import make_private_dir, vectors_path
from codeseek.stores.sqlite import connect_reader, connect_writer, transaction, translated

__all__ = ["KEY_DTYPE", "VectorStore", "open_vectors"]

APPLICATION_ID = 0x636F7376  # "cosv"
# Bump when the stored numbers mean something else.
#   1  float16, unit length
FORMAT = 1
KEY_DTYPE = np.dtype("S16")  # compared with padding zeros, which is exact for keys of one length
BLOCK_KEYS = 65_536
BATCH_KEYS = 8_192  # SQLite takes 32,766 variables a statement

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE vectors (id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, vector BLOB NOT NULL);
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


class VectorStore:
    """float16 vectors [D] by 16-byte key. Safe with several processes: a key is written once, whoever comes first.

    Args:
        path: Made where it is missing, unless `read_only`.
        read_only: Also opens what cannot be written.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with translated(path):
            self._database = connect_reader(path) if read_only else connect_writer(path)
            try:
                if not read_only:
                    self._make_schema()
                self._check_format()
            except BaseException:
                self._database.close()
                raise

    def _make_schema(self) -> None:
        if self._database.execute("PRAGMA user_version").fetchone()[0] == 0:
            with transaction(self._database):
                if self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                    for statement in SCHEMA.split(";"):
                        self._database.execute(statement)
                    self._database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    self._database.execute(f"PRAGMA user_version = {FORMAT}")

    def _check_format(self) -> None:
        if self._database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise IndexDamaged(f"{self.path} is not a vector store of codeseek", hint=f"remove it: rm {self.path}")
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version != FORMAT:
            raise IndexFormat(
                f"the vectors {self.path} were written by format {version}, this version reads {FORMAT}",
                hint=f"upgrade codeseek, or remove them: rm {self.path}",
            )

    def __enter__(self) -> VectorStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def __len__(self) -> int:
        with translated(self.path):
            return self._database.execute("SELECT count(*) FROM vectors").fetchone()[0]

    def put_many(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Writes vectors in one transaction; keys that are there already keep theirs.

        Args:
            keys: [N] of 16 bytes.
            vectors: [N, D], unit rows; stored as float16.
        """
        rows = np.ascontiguousarray(vectors, np.float16)
        with translated(self.path), transaction(self._database):
            self._database.executemany(
                "INSERT INTO vectors (key, vector) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
                ((bytes(key), row.tobytes()) for key, row in zip(keys, rows, strict=True)),
            )

    def missing(self, keys: np.ndarray) -> np.ndarray:
        """Of `keys` [N] of `KEY_DTYPE`, those without a vector, in the order given."""
        found: set[bytes] = set()
        with translated(self.path):
            for batch in _batches(keys):
                marks = ",".join("?" * len(batch))
                found.update(
                    key for (key,) in self._database.execute(f"SELECT key FROM vectors WHERE key IN ({marks})", batch)
                )
        mask = np.fromiter((key not in found for key in key_bytes(keys)), bool, len(keys))
        return keys[mask]

    def get_many(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of `keys` [N] of `KEY_DTYPE`, which are distinct.

        Returns:
            Which keys have one, [N] bool, and their vectors in that order, [found, D] float16; [0, 0] if none has.

        Raises:
            IndexDamaged: If vectors are not of one length.
        """
        found: dict[bytes, bytes] = {}
        with translated(self.path):
            for batch in _batches(keys):
                marks = ",".join("?" * len(batch))
                found.update(
                    self._database.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", batch).fetchall()
                )
        ordered = [found.get(key) for key in key_bytes(keys)]
        mask = np.fromiter((vector is not None for vector in ordered), bool, len(ordered))
        present = [vector for vector in ordered if vector is not None]
        if not present:
            return mask, np.empty((0, 0), np.float16)
        if len(set(map(len, present))) != 1:
            raise IndexDamaged(f"{self.path} holds vectors of several lengths", hint=f"remove it: rm {self.path}")
        return mask, np.frombuffer(b"".join(present), np.float16).reshape(len(present), -1)

    def get_all(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `get_many`, in blocks, so that a million vectors are never held twice."""
        mask = np.zeros(len(keys), bool)
        vectors: np.ndarray | None = None
        count = 0
        for start in range(0, len(keys), BLOCK_KEYS):
            found, block = self.get_many(keys[start : start + BLOCK_KEYS])
            mask[start : start + BLOCK_KEYS] = found
            if not len(block):
                continue
            if vectors is None:
                vectors = np.empty((len(keys), block.shape[1]), np.float16)
            if block.shape[1] != vectors.shape[1]:
                raise IndexDamaged(f"{self.path} holds vectors of several lengths", hint=f"remove it: rm {self.path}")
            vectors[count : count + len(block)] = block
            count += len(block)
        return mask, np.empty((0, 0), np.float16) if vectors is None else vectors[:count]

    def keys(self) -> Iterator[bytes]:
        """All keys, in no order."""
        with translated(self.path):
            for (key,) in self._database.execute("SELECT key FROM vectors"):
                yield key

    def keep_only(self, keys: Iterable[bytes]) -> int:
        """Removes all vectors but those of `keys` and gives their space back to the disk.

        Returns:
            How many were removed.
        """
        with translated(self.path):
            with transaction(self._database):
                self._database.execute("CREATE TEMP TABLE kept (key BLOB PRIMARY KEY) WITHOUT ROWID")
                self._database.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((bytes(key),) for key in keys))
                removed = self._database.execute("DELETE FROM vectors WHERE key NOT IN (SELECT key FROM kept)").rowcount
                self._database.execute("DROP TABLE kept")
            if removed:
                self._database.execute("VACUUM")
        return removed


def key_bytes(keys: np.ndarray) -> list[bytes]:
    """Keys as 16 bytes each; numpy would drop trailing zeros."""
    data = np.ascontiguousarray(keys, KEY_DTYPE).tobytes()
    return [data[at : at + 16] for at in range(0, len(data), 16)]


def _batches(keys: np.ndarray) -> Iterator[list[bytes]]:
    """Sorted, so that neighbouring keys are read from one page."""
    ordered = sorted(key_bytes(keys))
    for at in range(0, len(ordered), BATCH_KEYS):
        yield ordered[at : at + BATCH_KEYS]
