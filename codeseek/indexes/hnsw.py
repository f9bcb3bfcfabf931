"""The HNSW graph (Malkov and Yashunin 2018). The only module that imports hnswlib.

The graph is derived: it is built from vectors that lie beside it, and whoever cannot trust the file builds it again.
hnswlib reads a file without checking it and may crash on a damaged one, so `load_graph` looks at the header first.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np

from codeseek.errors import FileError, IndexDamaged

__all__ = ["EF_CONSTRUCTION", "EF_SEARCH", "Graph", "M", "build_graph", "load_graph"]

# Recall@50 0.9988 at ef 256, 0.9931 at 100, on 22,856 contents of curl (tests/benchmarks/hnsw_recall.py, 2026-11-22).
# Those were mean token embeddings of MiniLM; unmeasured with a whole encoder on that many.
M = 16
EF_CONSTRUCTION = 200
EF_SEARCH = 256
_SEED = 100  # hnswlib's default, written down because the graph depends on it

# `saveIndex` of hnswlib 0.8.0: offsetLevel0, max_elements, cur_element_count, size_data_per_element, label_offset,
# offsetData (size_t each), maxlevel, enterpoint_node (int, unsigned), maxM, maxM0, M (size_t), mult (double),
# ef_construction (size_t).
# https://github.com/nmslib/hnswlib/blob/v0.8.0/hnswlib/hnswalg.h#L644
_HEADER = struct.Struct("<6QiI3QdQ")


class Graph:
    """An opened graph over the rows 0 to N - 1."""

    def __init__(self, index: object, count: int) -> None:
        self._index = index
        self._count = count

    def nearest(self, query: np.ndarray, count: int) -> np.ndarray | None:
        """About the `count` rows nearest to `query` [D], nearest first; None where the graph does not reach that many.

        `ef` is at least `EF_SEARCH`, whatever `count` is, so that a smaller count gives a prefix of a larger's answer.
        """
        count = min(count, self._count)
        if count <= 0:
            return np.empty(0, np.int64)
        for ef in (max(EF_SEARCH, count), 4 * max(EF_SEARCH, count)):
            self._index.set_ef(ef)  # type: ignore[attr-defined]
            try:
                labels, _ = self._index.knn_query(query, k=count, num_threads=1)  # type: ignore[attr-defined]
            except RuntimeError:  # https://github.com/nmslib/hnswlib/issues/373: fewer than k were reached
                continue
            return labels[0].astype(np.int64)
        return None


def build_graph(vectors: np.ndarray, path: Path, *, threads: int = 1, block: int = 16_384) -> None:
    """Builds the graph over unit rows and writes it to `path`.

    Args:
        vectors: [N, D] float16 or float32, may be memory-mapped; distinct rows, because duplicates break connectivity.
        threads: One gives the same graph each time.

    Raises:
        FileError: If it cannot be written.
    """
    import hnswlib

    index = hnswlib.Index(space="cosine", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), M=M, ef_construction=EF_CONSTRUCTION, random_seed=_SEED)
    for start in range(0, len(vectors), block):
        rows = np.asarray(vectors[start : start + block], np.float32)
        index.add_items(rows, np.arange(start, start + len(rows)), num_threads=threads)
    try:
        index.save_index(os.fspath(path))
    except RuntimeError as error:
        raise FileError(f"cannot write {path}: {error}", hint="free space on that disk: codeseek clean") from error
    # hnswlib does not notice a full disk: its stream is not checked when it closes.
    _check_header(path, len(vectors), vectors.shape[1], FileError)


def load_graph(path: Path, count: int, dimension: int) -> Graph:
    """Opens the graph at `path`.

    Raises:
        IndexDamaged: If the file is missing, cut, or not of `count` rows of `dimension` numbers.
    """
    import hnswlib

    _check_header(path, count, dimension, IndexDamaged)
    index = hnswlib.Index(space="cosine", dim=dimension)
    try:
        index.load_index(os.fspath(path), max_elements=count)
    except (RuntimeError, MemoryError) as error:
        raise IndexDamaged(f"cannot read {path}: {error}", hint="build it again: codeseek index") from error
    return Graph(index, count)


def _check_header(path: Path, count: int, dimension: int, failure: type[FileError] | type[IndexDamaged]) -> None:
    """Compares every number of the header with what this module writes, and the size of the file with them."""
    hint = "build it again: codeseek index" if failure is IndexDamaged else "free space on that disk: codeseek clean"
    try:
        with open(path, "rb") as file:
            header = file.read(_HEADER.size)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise failure(f"cannot read {path}: {error.strerror}", hint=hint) from error
    if len(header) < _HEADER.size:
        raise failure(f"{path} is cut off: {size} bytes", hint=hint)
    level0, maximum, current, element, label, data, level, entry, max_m, max_m0, m, _, ef = _HEADER.unpack(header)
    links = 4 + 2 * M * 4
    want = (0, count, count, links + 4 * dimension + 8, links + 4 * dimension, links, M, 2 * M, M, EF_CONSTRUCTION)
    got = (level0, maximum, current, element, label, data, max_m, max_m0, m, ef)
    # Behind level 0 lies at least a length of four bytes for each row.
    if got != want or entry >= count or not 0 <= level < 64 or size < _HEADER.size + count * (element + 4):
        raise failure(f"{path} is damaged: its header does not fit {count} rows of {dimension}", hint=hint)
