"""Intervals and the paired test."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from codeseek.errors import DataError
from codeseek.evaluate.significance import bootstrap_interval, paired_difference, stratified_mean


def test_the_mean_of_strata_weighs_each_the_same() -> None:
    assert stratified_mean([np.array([1.0]), np.array([0.0, 0.0, 0.0])]) == 0.5


def test_the_interval_is_that_of_the_normal_law_for_many_queries() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, 2000)
    low, high = bootstrap_interval([values], resamples=4000)
    spread = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - spread, abs=0.001)
    assert high == pytest.approx(values.mean() + spread, abs=0.001)
    assert bootstrap_interval([values], resamples=100) == bootstrap_interval([values], resamples=100)


def test_the_p_value_is_that_of_all_exchanges() -> None:
    first = np.array([0.2, 0.5, 0.1, 0.4, 0.9, 0.3, 0.0, 0.6])
    second = first + np.array([0.3, 0.1, 0.2, -0.1, 0.05, 0.2, 0.4, -0.05])
    differences = second - first
    exchanged = [abs(np.dot(signs, differences)) for signs in product((-1, 1), repeat=len(differences))]
    exact = np.mean([value >= abs(differences.sum()) - 1e-12 for value in exchanged])
    assert paired_difference([first], [second]).p == pytest.approx(exact, abs=0.01)


def test_equal_runs_do_not_differ() -> None:
    values = [np.array([0.1, 0.9, 0.5])]
    same = paired_difference(values, values)
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_refusals() -> None:
    with pytest.raises(DataError, match="no queries to average"):
        stratified_mean([])
    with pytest.raises(DataError, match="no queries to average"):
        bootstrap_interval([np.empty(0)])
    with pytest.raises(DataError, match="the same queries"):
        paired_difference([np.zeros(2)], [np.zeros(3)])
