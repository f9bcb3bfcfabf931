"""Exact search over stored vectors: the answer up to a million rows and for every filter, and the oracle of `hnsw.py`.

A row costs about 0.1 µs of one core (384 dimensions, Xeon of 2023; tests/benchmarks/LOG.md): its codes are widened to
float32 in a block that stays in the second-level cache, and multiplied there.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from codeseek.device import cpu_threads

__all__ = ["inner_products", "rescore", "top_rows"]

BLOCK_ROWS = 512
SLACK = 1e-5  # float32 sums of 384 products differ by less between block shapes; `rescore` decides
# Rows of one repository lie together in the store as a rule. Where a block's span holds few others, reading them along
# costs less than gathering.
SPAN_SHARE = 1.25
THREADED_ROWS = 65_536  # about 6 ms; starting threads takes 0.2 ms
THREADS_MAX = 4


def inner_products(records: np.ndarray, query: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Inner product of each row with the query, in float32.

    Args:
        records: [N] of `quantised.record_dtype`, may be memory-mapped.
        query: [D].
        rows: [R] int, ascending, the rows wanted; None for all.

    Returns:
        [N] or [R] float32.
    """
    query = np.ascontiguousarray(query, np.float32)
    count = len(records) if rows is None else len(rows)
    scores = np.empty(count, np.float32)
    threads = min(THREADS_MAX, cpu_threads()) if count >= THREADED_ROWS else 1
    if threads == 1:
        _score(records, query, rows, scores, 0, count)
        return scores
    from concurrent.futures import ThreadPoolExecutor  # which loads logging, for nothing where there are few rows

    borders = np.linspace(0, count, threads + 1).astype(np.int64).tolist()
    with ThreadPoolExecutor(threads) as pool:  # numpy lets go of the interpreter's lock
        parts = pairwise(borders)
        for future in [pool.submit(_score, records, query, rows, scores, *part) for part in parts]:
            future.result()
    return scores


def _score(
    records: np.ndarray, query: np.ndarray, rows: np.ndarray | None, scores: np.ndarray, start: int, end: int
) -> None:
    """Fills `scores[start:end]`."""
    codes, scales = records["codes"], records["scale"]
    wide = np.empty((int(BLOCK_ROWS * SPAN_SHARE), len(query)), np.float32)
    for low in range(start, end, BLOCK_ROWS):
        high = min(low + BLOCK_ROWS, end)
        picked: np.ndarray | slice = slice(low, high) if rows is None else rows[low:high]
        inside = None
        if rows is not None:
            first, last = int(rows[low]), int(rows[high - 1])
            if last - first < SPAN_SHARE * (high - low) - 1:
                picked, inside = slice(first, last + 1), rows[low:high] - first
        block = codes[picked]
        np.copyto(wide[: len(block)], block, casting="unsafe")
        products = (wide[: len(block)] @ query) * scales[picked]
        scores[low:high] = products if inside is None else products[inside]


def top_rows(records: np.ndarray, query: np.ndarray, depth: int, rows: np.ndarray | None = None) -> np.ndarray:
    """The rows that may be among the best `depth`, with all that come within rounding of the last; in no order.

    Args:
        records: As in `inner_products`, and so are `query` and `rows`.

    Returns:
        [at least min(depth, N)] int64, indices into `records`.
    """
    if depth <= 0 or not len(records) or (rows is not None and not len(rows)):
        return np.empty(0, np.int64)
    scores = inner_products(records, query, rows)
    if len(scores) > depth:
        threshold = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        found = np.flatnonzero(scores >= threshold - SLACK)
    else:
        found = np.arange(len(scores))
    return found if rows is None else np.asarray(rows, np.int64)[found]


def rescore(records: np.ndarray, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Inner products that do not depend on which other rows are asked for: summed row by row in float64.

    Returns:
        [R] float32.
    """
    if not len(rows):
        return np.empty(0, np.float32)
    picked = records[rows]
    products = picked["codes"].astype(np.float64) * np.asarray(query, np.float64)
    return (products.sum(axis=1) * picked["scale"]).astype(np.float32)
