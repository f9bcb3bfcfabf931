"""Exact search over unit vectors: the oracle of `hnsw.py`, and the answer for small or strongly filtered sets."""

from __future__ import annotations

import numpy as np

__all__ = ["inner_products", "rescore", "top_rows"]

BLOCK_ROWS = 4_096  # float16 is widened a block at a time, so that memory stays bounded
SLACK = 1e-5  # float32 sums of 384 products differ by less between block shapes; `rescore` decides


def inner_products(vectors: np.ndarray, query: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Inner product of each row with the query, in float32.

    Args:
        vectors: [N, D] float16 or float32, may be memory-mapped.
        query: [D].
        rows: [R] int, the rows wanted; None for all.

    Returns:
        [N] or [R] float32.
    """
    query = np.ascontiguousarray(query, np.float32)
    if rows is None and vectors.dtype == np.float32:
        return vectors @ query
    count = len(vectors) if rows is None else len(rows)
    scores = np.empty(count, np.float32)
    for start in range(0, count, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, count)
        block = vectors[start:stop] if rows is None else vectors[rows[start:stop]]
        scores[start:stop] = block.astype(np.float32, copy=False) @ query
    return scores


def top_rows(vectors: np.ndarray, query: np.ndarray, depth: int, rows: np.ndarray | None = None) -> np.ndarray:
    """The rows that may be among the best `depth`, with all that come within rounding of the last; in no order.

    Returns:
        [at least min(depth, N)] int64, indices into `vectors`.
    """
    if depth <= 0 or not len(vectors) or (rows is not None and not len(rows)):
        return np.empty(0, np.int64)
    scores = inner_products(vectors, query, rows)
    if len(scores) > depth:
        threshold = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        found = np.flatnonzero(scores >= threshold - SLACK)
    else:
        found = np.arange(len(scores))
    return found if rows is None else np.asarray(rows, np.int64)[found]


def rescore(vectors: np.ndarray, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Inner products that do not depend on which other rows are asked for: summed row by row in float64.

    Returns:
        [R] float32.
    """
    if not len(rows):
        return np.empty(0, np.float32)
    products = vectors[rows].astype(np.float64) * np.asarray(query, np.float64)
    return products.sum(axis=1).astype(np.float32)
