"""The HNSW graph (Malkov and Yashunin 2018). The only module that imports hnswlib.

The graph is derived, and only proposes: it is built over the first principal axes of the vectors, which takes a third
of the space of all dimensions, and whoever asks it scores what it names from the stored vectors.

    graph.hnsw      over labels 0 to R - 1
    graph_rows.npy  [R] int32, ascending: the row of each label in the vector store
    graph_axes.npy  [D, A] float32, orthonormal columns

hnswlib reads a file without checking it and may crash on a damaged one, so `load_graph` looks at the header first.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np

from codeseek.errors import FileError, IndexDamaged
from codeseek.indexes.quantised import widen

__all__ = ["EF_CONSTRUCTION", "EF_SEARCH", "GRAPH_FILES", "Graph", "M", "build_graph", "graph_bytes", "load_graph"]

GRAPH_FILES = ("graph.hnsw", "graph_rows.npy", "graph_axes.npy")
# 40,000 contents by MiniLM, best 50 of the rows proposed: 96 axes and ef 400, recall 0.9970 by distance and 0.9943 by
# inner product; exact search along 128 axes, 0.9997 of 400 rows (tests/benchmarks/hnsw_recall.py, 2026-11-22).
M = 16
AXES = 128
EF_CONSTRUCTION = 200
EF_SEARCH = 512
OVERFETCH = 4  # nearest along the axes, for each one that is wanted
SAMPLED_ROWS = 65_536  # from which the axes are taken
BLOCK_ROWS = 16_384
_SEED = 100  # hnswlib's default, written down because the graph depends on it

# `saveIndex` of hnswlib 0.8.0: offsetLevel0, max_elements, cur_element_count, size_data_per_element, label_offset,
# offsetData (size_t each), maxlevel, enterpoint_node (int, unsigned), maxM, maxM0, M (size_t), mult (double),
# ef_construction (size_t).
# https://github.com/nmslib/hnswlib/blob/v0.8.0/hnswlib/hnswalg.h#L644
_HEADER = struct.Struct("<6QiI3QdQ")


class Graph:
    """An opened graph over some rows of the vector store.

    Args:
        index: Of hnswlib.
        rows: [R] the row of each label.
        axes: [D, A].
    """

    def __init__(self, index: object, rows: np.ndarray, axes: np.ndarray) -> None:
        self._index = index
        self._axes = axes
        self.rows = rows

    def nearest(self, query: np.ndarray, count: int) -> np.ndarray | None:
        """Rows among which the `count` nearest to `query` [D] are, but for a few; None where the graph does not reach
        as many. They are the same for every `count` up to `EF_SEARCH` / `OVERFETCH`."""
        wanted = min(max(EF_SEARCH, OVERFETCH * count), len(self.rows))
        if count <= 0 or not wanted:
            return np.empty(0, np.int64)
        query = query @ self._axes
        for ef in (wanted, 4 * wanted):
            self._index.set_ef(ef)  # type: ignore[attr-defined]
            try:
                labels, _ = self._index.knn_query(query, k=wanted, num_threads=1)  # type: ignore[attr-defined]
            except RuntimeError:  # https://github.com/nmslib/hnswlib/issues/373: fewer than k were reached
                continue
            return self.rows[labels[0].astype(np.int64)].astype(np.int64)
        return None


def graph_bytes(count: int, dimension: int) -> int:
    """About how much memory the graph of `count` rows takes, when it is built or open; on disk the same."""
    return count * (_element_bytes(min(AXES, dimension)) + 4 + 4 + 4 * (M + 1) // M + 8)


def build_graph(records: np.ndarray, rows: np.ndarray, folder: Path, *, threads: int = 1) -> None:
    """Builds the graph over some rows and writes its files into `folder`.

    Args:
        records: As `VectorStore.records` gives them.
        rows: [R] int, ascending and distinct: duplicates break connectivity.
        threads: One gives the same graph each time.

    Raises:
        FileError: If it cannot be written.
    """
    import hnswlib

    axes = principal_axes(records, rows, AXES)
    index = hnswlib.Index(space="l2", dim=axes.shape[1])
    index.init_index(max_elements=len(rows), M=M, ef_construction=EF_CONSTRUCTION, random_seed=_SEED)
    for start in range(0, len(rows), BLOCK_ROWS):
        block = widen(records[rows[start : start + BLOCK_ROWS]]) @ axes
        index.add_items(block, np.arange(start, start + len(block)), num_threads=threads)
    path = folder / "graph.hnsw"
    try:
        index.save_index(os.fsencode(path))  # a str must be UTF-8 for it
    except RuntimeError as error:
        raise FileError(
            f"cannot write {path}: {error}",
            hint="free space on that disk; codeseek clean --list shows what the indexes take",
        ) from error
    # hnswlib does not notice a full disk: its stream is not checked when it closes.
    _check_header(path, len(rows), axes.shape[1], FileError)
    np.save(folder / "graph_rows.npy", np.asarray(rows, np.int32))
    np.save(folder / "graph_axes.npy", axes)


def principal_axes(records: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """The directions in which a sample of the rows is longest, as columns: [D, min(count, D)] float32. They are not
    centred: what is kept is the inner product."""
    sample = widen(records[rows[:: -(-len(rows) // SAMPLED_ROWS)]])
    _, vectors = np.linalg.eigh(sample.T @ sample)
    return np.ascontiguousarray(vectors[:, ::-1][:, :count], np.float32)


def load_graph(folder: Path, count: int, dimension: int) -> Graph:
    """Opens the graph in `folder`.

    Args:
        count: R.
        dimension: D, of the store.

    Raises:
        IndexDamaged: If a file is missing, cut, or not of R rows of D numbers.
    """
    import hnswlib

    path = folder / "graph.hnsw"
    try:
        rows, axes = np.load(folder / "graph_rows.npy", mmap_mode="r"), np.load(folder / "graph_axes.npy")
    except (OSError, ValueError) as error:
        raise IndexDamaged(f"cannot read {folder}: {error}", hint="build it again: codeseek index") from error
    ascending = rows.dtype == np.int32 and rows.ndim == 1 and (np.diff(rows, prepend=-1) > 0).all()
    if not ascending or rows.shape != (count,) or axes.shape != (dimension, min(AXES, dimension)):
        raise IndexDamaged(f"{folder} holds no graph of {count} rows", hint="build it again: codeseek index")
    _check_header(path, count, axes.shape[1], IndexDamaged)
    index = hnswlib.Index(space="l2", dim=axes.shape[1])
    try:
        index.load_index(os.fsencode(path), max_elements=count)
    except (RuntimeError, MemoryError) as error:
        raise IndexDamaged(f"cannot read {path}: {error}", hint="build it again: codeseek index") from error
    return Graph(index, rows, axes)


def _element_bytes(axes: int) -> int:
    """Of a label at level 0: its links, its vector and its number."""
    return 4 + 2 * M * 4 + 4 * axes + 8


def _check_header(path: Path, count: int, axes: int, failure: type[FileError] | type[IndexDamaged]) -> None:
    """Compares every number of the header with what this module writes, and the size of the file with them."""
    hint = (
        "build it again: codeseek index"
        if failure is IndexDamaged
        else "free space on that disk; codeseek clean --list shows what the indexes take"
    )
    try:
        with open(path, "rb") as file:
            header = file.read(_HEADER.size)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise failure(f"cannot read {path}: {error.strerror}", hint=hint) from error
    if len(header) < _HEADER.size:
        raise failure(f"{path} is cut off: {size} bytes", hint=hint)
    level0, maximum, current, element, label, data, level, entry, max_m, max_m0, m, _, ef = _HEADER.unpack(header)
    links, whole = 4 + 2 * M * 4, _element_bytes(axes)
    want = (0, count, count, whole, whole - 8, links, M, 2 * M, M, EF_CONSTRUCTION)
    got = (level0, maximum, current, element, label, data, max_m, max_m0, m, ef)
    # Behind level 0 lies at least a length of four bytes for each row.
    if got != want or entry >= count or not 0 <= level < 64 or size < _HEADER.size + count * (element + 4):
        raise failure(f"{path} is damaged: its header does not fit {count} rows of {axes}", hint=hint)
