"""Exact search over stored vectors: the answer up to a million rows and for every filter, and the oracle of `hnsw.py`.

A first pass multiplies bytes with bytes, in half the time of numbers (about 0.1 µs a row of 384 dimensions and core,
Xeon of 2023, where memory is the limit; tests/benchmarks/LOG.md). The query, rounded to bytes, is off by a
distance that is known, so that what might be among the best is known too, and is looked at again.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from codeseek.device import cpu_threads
from codeseek.indexes.quantised import CODE_MAX

__all__ = ["approximate_products", "rescore", "top_rows"]

BLOCK_ROWS = 4096
SLACK = 1e-5  # float32 sums of 384 products differ by less between block shapes; `rescore` decides
# Rows of one repository lie together in the store as a rule. Where a block's span holds few others, reading them along
# costs less than gathering.
SPAN_SHARE = 1.25
THREADED_ROWS = 65_536  # about 5 ms; starting threads takes 0.2 ms
THREADS_MAX = 4


def approximate_products(
    records: np.ndarray, query: np.ndarray, rows: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Inner product of each row with the query rounded to bytes.

    Args:
        records: [N] of `quantised.record_dtype`, may be memory-mapped.
        query: [D].
        rows: [R] int, ascending, the rows wanted; None for all.

    Returns:
        [N] or [R] float32, and how far a product may be from the exact one: by Cauchy and Schwarz, as rows are of unit
        length, not further than the rounded query from the query.
    """
    query = np.asarray(query, np.float32)
    scale = float(np.abs(query).max(initial=0.0)) / CODE_MAX or 1.0
    rounded = np.rint(query / scale)
    error = float(np.linalg.norm(query - rounded * scale)) + SLACK
    count = len(records) if rows is None else len(rows)
    scores = np.empty(count, np.float32)
    threads = min(THREADS_MAX, cpu_threads()) if count >= THREADED_ROWS else 1
    job = records, rounded.astype(np.int8)[None], scale, rows, scores
    if threads == 1:
        _score(*job, 0, count)
        return scores, error
    from concurrent.futures import ThreadPoolExecutor  # which loads logging, for nothing where there are few rows

    borders = np.linspace(0, count, threads + 1).astype(np.int64).tolist()
    with ThreadPoolExecutor(threads) as pool:  # simsimd lets go of the interpreter's lock
        for future in [pool.submit(_score, *job, *part) for part in pairwise(borders)]:
            future.result()
    return scores, error


def _score(
    records: np.ndarray,
    query: np.ndarray,
    scale: float,
    rows: np.ndarray | None,
    scores: np.ndarray,
    start: int,
    end: int,
) -> None:
    """Fills `scores[start:end]`; `query` is [1, D] int8."""
    from simsimd import cdist

    codes, scales = records["codes"], records["scale"]
    for low in range(start, end, BLOCK_ROWS):
        high = min(low + BLOCK_ROWS, end)
        picked: np.ndarray | slice = slice(low, high) if rows is None else rows[low:high]
        inside = None
        if rows is not None:
            first, last = int(rows[low]), int(rows[high - 1])
            if last - first < SPAN_SHARE * (high - low) - 1:
                picked, inside = slice(first, last + 1), rows[low:high] - first
        products = np.asarray(cdist(query, codes[picked], metric="dot"), np.float64).reshape(-1)
        products = products * scales[picked] * scale
        scores[low:high] = products if inside is None else products[inside]


def top_rows(records: np.ndarray, query: np.ndarray, depth: int, rows: np.ndarray | None = None) -> np.ndarray:
    """The rows that may be among the best `depth`, with all that come within rounding of the last; in no order.

    Args:
        records: As in `approximate_products`, and so are `query` and `rows`.

    Returns:
        [at least min(depth, N)] int64, indices into `records`.
    """
    if depth <= 0 or not len(records) or (rows is not None and not len(rows)):
        return np.empty(0, np.int64)
    found = np.arange(len(records)) if rows is None else np.asarray(rows, np.int64)
    if len(found) <= depth:
        return found
    scores, error = approximate_products(records, query, rows)
    found = found[_near_best(scores, depth, 2 * error)]
    near = records[found]
    products = (near["codes"].astype(np.float32) @ np.asarray(query, np.float32)) * near["scale"]
    return found[_near_best(products, depth, SLACK)]


def _near_best(scores: np.ndarray, depth: int, margin: float) -> np.ndarray:
    """[at least min(depth, N)] int64: where the best `depth` scores are, and those within `margin` of the last."""
    if len(scores) <= depth:
        return np.arange(len(scores))
    threshold = np.partition(scores, len(scores) - depth)[len(scores) - depth]
    return np.flatnonzero(scores >= threshold - margin)


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
