"""Vectors as they lie on disk: a signed byte a dimension and one scale, which makes the row of unit length.

The largest number of a vector becomes 127 or -127. Cosines of MiniLM's vectors change by 0.0003 in the mean and by at
most 0.003; of the best 50 of 60,000 they change 0.3 % (tests/benchmarks/LOG.md). One scale for all vectors would do
worse (0.034 at most), and float16 takes twice the space.
"""

from __future__ import annotations

import numpy as np

__all__ = ["CODE_MAX", "find_damaged", "quantise", "record_dtype", "widen"]

CODE_MAX = 127


def record_dtype(dimension: int) -> np.dtype:
    """One row on disk, without padding: the scale, then `dimension` codes."""
    return np.dtype([("scale", "<f4"), ("codes", "i1", (dimension,))])


def quantise(vectors: np.ndarray) -> np.ndarray:
    """Rounds vectors to codes.

    Args:
        vectors: [N, D], about of unit length; what is no number of float16 counts as 0.

    Returns:
        [N] of `record_dtype(D)`. A vector of zeros has the scale 0.
    """
    # By way of float16, as the first format of the store held them: what is converted is what would be made again.
    with np.errstate(over="ignore", under="ignore"):
        values = np.asarray(vectors, np.float16).astype(np.float32)
    values = np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    records = np.empty(len(values), record_dtype(values.shape[1]))
    largest = np.abs(values).max(axis=1, keepdims=True, initial=0.0)
    records["codes"] = np.rint(values / np.where(largest > 0, largest, 1) * CODE_MAX)
    records["scale"] = _scales(records)
    return records


def widen(records: np.ndarray) -> np.ndarray:
    """[N, D] float32, unit rows."""
    return records["codes"].astype(np.float32) * records["scale"][:, None]


def find_damaged(records: np.ndarray) -> np.ndarray:
    """[K] int64: the rows whose scale is not that of their codes, as nothing that `quantise` wrote is."""
    return np.flatnonzero(records["scale"] != _scales(records))


def _scales(records: np.ndarray) -> np.ndarray:
    """[N] float32: one over the length of the codes. Sums of squares of integers are exact: every machine agrees."""
    lengths = np.sqrt((records["codes"].astype(np.float64) ** 2).sum(axis=1))
    return np.divide(1, lengths, out=np.zeros(len(records)), where=lengths > 0).astype(np.float32)
