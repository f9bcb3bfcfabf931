"""A dense generation: the immutable folder that speeds up dense search, derived from catalogue and vector store.

    numbers.npy   [N] uint32, ascending: the chunks known when it was made
    rows.npy      [N] int32: where each one's vector is in the store, -1 for none
    graph.hnsw, graph_rows.npy, graph_axes.npy   where there are too many rows for exact search (`hnsw.py`)
    manifest.json written last, with the identity of the store, the size of each file and a checksum of its head

A folder whose files do not fit its manifest is damaged, and one of another identity is about rows that have moved. Both
are built again; nothing is lost that way.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from codeseek.errors import FileError, IndexDamaged
from codeseek.indexes.hnsw import GRAPH_FILES, Graph, build_graph, load_graph
from codeseek.paths import make_private_dir

__all__ = ["Generation", "open_generation", "verify_checksums", "write_generation"]

# Bump when an older version would read it wrongly; one of another format is derived again.
#   1  vectors in it, float32 or float16
#   2  rows of the store
FORMAT = 2
HEAD_BYTES = 65_536
# A wrong number inside a graph can crash hnswlib. Reading all of it costs a third of loading it (2.9 GB/s); above this
# size its head and length must do, and `status --check` reads the rest.
CHECKED_GRAPH_MAX_BYTES = 512 << 20
_MANIFEST = "manifest.json"


@dataclass(slots=True)
class Generation:
    """An opened generation. Arrays are memory-mapped; the graph is read when it is first asked for.

    `store` is the identity of the vector store, `dimension` D, and `graph_count` R, 0 where there is no graph.
    """

    folder: Path
    store: str
    dimension: int
    numbers: np.ndarray
    rows: np.ndarray
    graph_count: int = 0
    graph_checksum: int = 0
    _graph: Graph | None = field(default=None)

    def graph(self) -> Graph | None:
        """The graph, or None where exact search is the answer, as it is when the files cannot be trusted."""
        if self.graph_count and self._graph is None:
            try:
                self._graph = self._load_graph()
            except IndexDamaged:
                self.graph_count = 0
        return self._graph

    def _load_graph(self) -> Graph:
        path = self.folder / "graph.hnsw"
        try:
            checked = path.stat().st_size <= CHECKED_GRAPH_MAX_BYTES
            if checked and _checksum(path) != self.graph_checksum:
                raise IndexDamaged(f"{path} is damaged", hint="in its repository: codeseek index --rebuild")
        except OSError as error:  # a newer generation took its place before this one's graph was needed
            raise IndexDamaged(
                f"cannot read {path}: {error.strerror}", hint="build it again: codeseek index"
            ) from error
        return load_graph(self.folder, self.graph_count, self.dimension)

    def rows_of(self, numbers: np.ndarray) -> np.ndarray:
        """The row of each chunk number [N], ascending; -1 where it has none or is younger. [N] int32."""
        if np.array_equal(numbers, self.numbers):
            return self.rows.astype(np.int32)
        if not len(self.numbers):
            return np.full(len(numbers), -1, np.int32)
        at = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        return np.where(self.numbers[at] == numbers, self.rows[at], np.int32(-1)).astype(np.int32)


def write_generation(
    folder: Path,
    *,
    store: str,
    records: np.ndarray,
    numbers: np.ndarray,
    rows: np.ndarray,
    with_graph: bool,
    threads: int = 1,
) -> None:
    """Writes a generation beside its place and renames it in, so that a folder of that name is whole.

    Args:
        store: The identity of the vector store.
        records: As `VectorStore.records` gives them.
        numbers: [N] uint32, ascending.
        rows: [N] int32, places in `records`, -1 for none.
        with_graph: Whether HNSW is to search it.

    Raises:
        FileError: If it cannot be written; nothing is left behind.
    """
    work = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    make_private_dir(work)
    try:
        np.save(work / "numbers.npy", numbers.astype(np.uint32))
        np.save(work / "rows.npy", rows.astype(np.int32))
        distinct = np.unique(rows[rows >= 0]) if with_graph else rows[:0]
        if len(distinct):
            build_graph(records, distinct, work, threads=threads)
        files = {path.name: [path.stat().st_size, _head_checksum(path), _checksum(path)] for path in work.iterdir()}
        manifest = {
            "format": FORMAT,
            "store": store,
            "dimension": records["codes"].shape[1],
            "documents": len(numbers),
            "graph": len(distinct),
            "files": files,
        }
        for name in files:
            _close_and_sync(work / name)
        (work / _MANIFEST).write_text(json.dumps(manifest))
        _close_and_sync(work / _MANIFEST)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(work, folder)
        _sync(folder.parent)
    except BaseException as error:
        shutil.rmtree(work, ignore_errors=True)
        if isinstance(error, OSError):
            raise FileError(
                f"cannot write {folder}: {error.strerror or error}",
                hint="free space on that disk; codeseek clean --list shows what the indexes take",
            ) from error
        raise


def open_generation(folder: Path) -> Generation:
    """Opens a generation after checking the sizes and the heads of its files.

    Raises:
        IndexDamaged: If it is missing or its files do not fit its manifest.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}, want {FORMAT}")
        for name, (size, head, _) in manifest["files"].items():
            path = folder / os.path.basename(name)
            if path.stat().st_size != size or _head_checksum(path) != head:
                raise ValueError(f"{name} does not fit the manifest")
        shape = (manifest["documents"],)
        generation = Generation(
            folder=folder,
            store=str(manifest["store"]),
            dimension=int(manifest["dimension"]),
            numbers=_load(folder / "numbers.npy", shape, np.uint32),
            rows=_load(folder / "rows.npy", shape, np.int32),
            graph_count=int(manifest["graph"]),
            graph_checksum=manifest["files"]["graph.hnsw"][2] if manifest["graph"] else 0,
        )
        if manifest["graph"] and not set(GRAPH_FILES) <= set(manifest["files"]):
            raise ValueError("a file of the graph is missing")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexDamaged(f"{folder} is damaged: {error}", hint="build it again: codeseek index") from error
    return generation


def verify_checksums(folder: Path) -> list[str]:
    """Reads every file of a generation in full and names those that changed since they were written."""
    manifest = json.loads((folder / _MANIFEST).read_text())
    return [
        f"{folder.name}/{name}: checksum differs"
        for name, (_, _, checksum) in manifest["files"].items()
        if _checksum(folder / os.path.basename(name)) != checksum
    ]


def _load(path: Path, shape: tuple[int, ...], dtype: object) -> np.ndarray:
    """Memory-maps an array of known shape. An empty one cannot be mapped."""
    array = np.load(path, mmap_mode="r" if 0 not in shape else None, allow_pickle=False)
    if array.shape != shape or array.dtype != np.dtype(dtype):  # type: ignore[call-overload]
        raise ValueError(f"{path.name} holds {array.dtype}{array.shape}, want {np.dtype(dtype)}{shape}")  # type: ignore[call-overload]
    return array


def _head_checksum(path: Path) -> int:
    with open(path, "rb") as file:
        return zlib.crc32(file.read(HEAD_BYTES))


def _checksum(path: Path) -> int:
    value = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value


def _close_and_sync(file: Path) -> None:
    file.chmod(0o600)  # whatever the umask
    _sync(file)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
