"""The vector store's first format: float16 in the database. Converted once, since encoding again takes minutes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from codeseek.errors import IndexDamaged
from codeseek.indexes.quantised import quantise
from codeseek.stores.rows import write_rows
from codeseek.stores.sqlite import Database

__all__ = ["convert_format_1"]

BATCH_ROWS = 8_192


def convert_format_1(database: Database, path: Path, identity: str) -> None:
    """Moves the vectors into a file of rows, in their order, inside the caller's transaction.

    Args:
        database: The store, of format 1.
        path: Where it is.
        identity: For the file of rows.

    Raises:
        IndexDamaged: If vectors are not of one length.
    """
    database.execute("CREATE TABLE moved (id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL)")
    write_rows(path, identity, 0, _move_blocks(database, path))
    database.execute("DROP TABLE vectors")
    database.execute("ALTER TABLE moved RENAME TO vectors")
    database.execute("INSERT OR REPLACE INTO meta VALUES ('identity', ?)", (identity,))


def _move_blocks(database: Database, path: Path) -> Iterator[np.ndarray]:
    """The rows in blocks; each one's keys are in the table `moved` when the next is asked for."""
    reader = database.execute("SELECT key, vector FROM vectors ORDER BY id")
    count, dimension = 0, None
    while block := reader.fetchmany(BATCH_ROWS):
        dimension = dimension or len(block[0][1]) // 2
        if any(len(vector) != 2 * dimension for _, vector in block):
            raise IndexDamaged(f"{path} holds vectors of several lengths", hint=f"remove it: rm {path}")
        database.executemany("INSERT INTO moved VALUES (?, ?)", enumerate([key for key, _ in block], count))
        count += len(block)
        vectors = np.frombuffer(b"".join(vector for _, vector in block), np.float16)
        yield quantise(vectors.reshape(len(block), dimension))
    if dimension:
        database.execute("INSERT INTO meta VALUES ('dimension', ?)", (dimension,))
