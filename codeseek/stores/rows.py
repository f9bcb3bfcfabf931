"""The file of rows beside a vector store: written at its end, replaced as a whole, mapped into memory by searches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from codeseek.errors import IndexDamaged
from codeseek.indexes.quantised import find_damaged, record_dtype

__all__ = ["iter_rows_files", "map_rows", "remove_other_rows", "rows_path", "write_rows"]


def rows_path(store: Path, identity: str) -> Path:
    return store.with_name(f"{store.stem}.{identity}.rows")


def write_rows(store: Path, identity: str, first: int, blocks: Iterable[np.ndarray]) -> None:
    """Writes blocks of rows one after the other, from row `first` on, and waits until they are on disk.

    Raises:
        OSError: As the system says; what was written then lies behind the last row that counts.
    """
    descriptor = os.open(rows_path(store, identity), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        at = None
        for block in blocks:
            at = first * block.itemsize if at is None else at
            data = memoryview(block.tobytes())
            while data:
                written = os.pwrite(descriptor, data, at)
                data, at = data[written:], at + written
        getattr(os, "fdatasync", os.fsync)(descriptor)  # the length of the file too, which is needed to read it
    finally:
        os.close(descriptor)


def map_rows(store: Path, identity: str, count: int, dimension: int) -> np.ndarray:
    """Maps the first `count` rows into memory: [count] of `quantised.record_dtype(dimension)`, `count` above 0.

    Raises:
        IndexDamaged: If there are fewer, or the first or last is not what was written.
    """
    dtype = record_dtype(dimension)
    hint = f"remove it: rm {store}"
    try:
        with open(rows_path(store, identity), "rb") as file:
            if os.fstat(file.fileno()).st_size < count * dtype.itemsize:
                raise IndexDamaged(f"{store} names {count} rows, and not all of them are there", hint=hint)
            # A plain array, since indexing a `memmap` makes an object of that class for every block.
            records = np.asarray(np.memmap(file, dtype, "r", shape=(count,)))
    except FileNotFoundError as error:
        raise IndexDamaged(f"{store} names {count} rows, and their file is missing", hint=hint) from error
    if len(find_damaged(records[[0, -1]])):
        raise IndexDamaged(f"the rows of {store} are not of {dimension} numbers", hint=hint)
    return records


def iter_rows_files(store: Path) -> Iterator[Path]:
    """The files of rows of a store, those that a killed process left included."""
    return store.parent.glob(f"{store.stem}.{'[0-9a-f]' * 16}.rows")


def remove_other_rows(store: Path, identity: str | None) -> None:
    """Removes files of rows that a killed process left; of all identities where `identity` is None. Called inside a
    write transaction, so that no other process is writing one."""
    for path in iter_rows_files(store):
        if identity is None or path != rows_path(store, identity):
            path.unlink(missing_ok=True)
