"""How sure a figure is: bootstrap intervals of means, and a paired test of two runs over the same queries.

Queries come in *strata* (the languages of a data set); the figure is the mean of the strata's means, as the paper
averages CodeSearchNet over its six languages. One stratum gives the plain mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codeseek.errors import DataError

__all__ = ["Difference", "bootstrap_interval", "paired_difference", "stratified_mean"]

RESAMPLES = 10_000
CONFIDENCE = 0.95
BLOCK_VALUES = 4_000_000  # drawn at a time, so that memory stays in tens of megabytes

Strata = Sequence[np.ndarray]


@dataclass(frozen=True, slots=True)
class Difference:
    """`mean` is second minus first, `low` and `high` its 95 % interval, `p` of the two-sided paired test."""

    mean: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}], p {self.p:.4f}"


def stratified_mean(values: Strata) -> float:
    """The mean of the strata's means.

    Raises:
        DataError: If there is no stratum, or an empty one.
    """
    if not values or any(not len(stratum) for stratum in values):
        raise DataError("there are no queries to average over")
    return float(np.mean([stratum.mean() for stratum in values]))


def bootstrap_interval(values: Strata, *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the mean, queries drawn with replacement within each stratum (Efron 1979).

    Args:
        values: Per stratum, [Q] values.
        resamples: How many means are drawn.
        seed: The same seed gives the same interval.

    Returns:
        The lower and the upper end.

    Raises:
        DataError: If there is no stratum, or an empty one.
    """
    stratified_mean(values)
    random = np.random.default_rng(seed)
    means = np.mean([_resampled_means(stratum, resamples, random) for stratum in values], axis=0)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _resampled_means(values: np.ndarray, resamples: int, random: np.random.Generator) -> np.ndarray:
    """[resamples] means of as many values, drawn with replacement."""
    rows = max(1, BLOCK_VALUES // len(values))
    parts = []
    for start in range(0, resamples, rows):
        drawn = random.integers(0, len(values), (min(rows, resamples - start), len(values)))
        parts.append(values[drawn].mean(axis=1))
    return np.concatenate(parts)


def paired_difference(first: Strata, second: Strata, *, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
    """Compares two runs query by query with Fisher's randomisation test (Smucker, Allan and Carterette 2007).

    Under the null hypothesis the two values of a query could as well be exchanged: the p-value is the share of random
    exchanges whose mean difference is at least as large as the one found, that one included.

    Args:
        first: Per stratum, [Q] values of one run.
        second: The same queries in the same order, of the other run.
        resamples: Exchanges, and resamples of the interval.
        seed: The same seed gives the same answer.

    Raises:
        DataError: If the runs do not have the same numbers of queries.
    """
    if [len(stratum) for stratum in first] != [len(stratum) for stratum in second]:
        raise DataError("two runs can only be compared over the same queries")
    differences = [np.asarray(b, np.float64) - a for a, b in zip(first, second, strict=True)]
    found = stratified_mean(differences)
    random = np.random.default_rng(seed)
    exchanged = np.mean([_exchanged_means(stratum, resamples, random) for stratum in differences], axis=0)
    # The slack counts sums that differ only by the order of their rounding as equal.
    p = (1 + np.count_nonzero(np.abs(exchanged) >= abs(found) - 1e-12)) / (resamples + 1)
    low, high = bootstrap_interval(differences, resamples=resamples, seed=seed)
    return Difference(found, low, high, float(p))


def _exchanged_means(differences: np.ndarray, resamples: int, random: np.random.Generator) -> np.ndarray:
    """[resamples] means with random signs."""
    rows = max(1, BLOCK_VALUES // len(differences))
    parts = []
    for start in range(0, resamples, rows):
        signs = random.integers(0, 2, (min(rows, resamples - start), len(differences)), dtype=np.int8) * 2 - 1
        parts.append(signs @ differences / len(differences))
    return np.concatenate(parts)
