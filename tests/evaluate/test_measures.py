"""Measures: worked out by hand, against the TREC tools, and the properties that any measure has."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.errors import DataError
from codeseek.evaluate.measures import (
    MEASURES,
    mean_reciprocal_rank,
    measure,
    ndcg,
    ndcg_within_judged,
    recall,
    reciprocal_rank,
    success,
)


def test_by_hand() -> None:
    ranked, judged = ["a", "b", "c", "d"], {"b": 1.0, "d": 3.0, "x": 2.0, "a": 0.0}
    assert reciprocal_rank(ranked, judged) == 1 / 2
    assert reciprocal_rank(ranked, judged, cutoff=1) == 0
    assert recall(ranked, judged, 3) == pytest.approx(1 / 3)
    assert success(ranked, judged, 1) == 0
    assert success(ranked, judged, 2) == 1
    found = 1 / math.log2(3) + 3 / math.log2(5)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(ranked, judged, 10) == pytest.approx(found / ideal)


def test_within_judged_passes_over_what_nobody_judged() -> None:
    judged = {"a": 3.0, "b": 1.0}
    assert ndcg_within_judged(["x", "y", "a", "z", "b"], judged) == 1
    # The challenge's formula: gain 2^r - 1, discount log2(rank + 1).
    assert ndcg_within_judged(["b", "a"], judged) == pytest.approx((1 + 7 / math.log2(3)) / (7 + 1 / math.log2(3)))
    assert ndcg_within_judged(["x"], judged) == 0


def test_a_query_without_an_answer_counts_as_0() -> None:
    qrels = {"1": {"a": 1.0}, "2": {"b": 1.0}}
    assert mean_reciprocal_rank({"1": ["a"]}, qrels) == 0.5
    for one in MEASURES.values():
        assert measure({"1": ["a"], "unjudged": ["b"]}, qrels, one).tolist()[1] == 0


def test_ranks_beyond_1000_count_as_0() -> None:
    ranked = [str(number) for number in range(1500)]
    assert mean_reciprocal_rank({"q": ranked}, {"q": {"999": 1.0}}) == 1 / 1000
    assert mean_reciprocal_rank({"q": ranked}, {"q": {"1000": 1.0}}) == 0


def test_refusals() -> None:
    with pytest.raises(DataError, match="no judged queries"):
        mean_reciprocal_rank({}, {})
    with pytest.raises(DataError, match="holds a document twice"):
        mean_reciprocal_rank({"q": ["a", "a"]}, {"q": {"a": 1.0}})


@settings(max_examples=60, deadline=None)
@given(
    ranked=st.lists(st.integers(0, 30).map(str), unique=True, max_size=30),
    judged=st.dictionaries(st.integers(0, 30).map(str), st.integers(0, 3).map(float), min_size=1, max_size=12),
)
def test_each_measure_is_within_0_and_1_and_a_perfect_run_has_1(ranked: list[str], judged: dict[str, float]) -> None:
    measures = [*MEASURES.values(), ndcg_within_judged]
    for one in measures:
        assert 0 <= one(ranked, judged) <= 1 + 1e-12
    if any(judged.values()):
        perfect = sorted(judged, key=lambda name: -judged[name])
        for name in ("MRR", "nDCG@10", "Success@10", "R@100"):
            assert MEASURES[name](perfect, judged) == pytest.approx(1)
        assert ndcg_within_judged(perfect, judged) == pytest.approx(1)


def test_the_trec_tools_agree() -> None:
    tools = pytest.importorskip("ir_measures", reason="development dependency ir-measures is not installed")
    chance = random.Random(7)
    documents = [f"d{number}" for number in range(200)]
    run, qrels = {}, {}
    for query in map(str, range(40)):
        judged = chance.sample(documents, chance.randint(1, 15))
        qrels[query] = {name: float(chance.randint(0, 3)) for name in judged}
        run[query] = chance.sample(documents, 150) if query != "0" else []  # unanswered
    trec_run = [
        tools.ScoredDoc(query, document, -float(rank))
        for query, ranked in run.items()
        for rank, document in enumerate(ranked)
    ]
    trec_qrels = [
        tools.Qrel(query, document, int(value)) for query, judged in qrels.items() for document, value in judged.items()
    ]
    names = {"MRR": "RR@1000", **{name: name for name in MEASURES if name != "MRR"}}
    wanted = tools.calc_aggregate([tools.parse_measure(name) for name in names.values()], trec_qrels, trec_run)
    for ours, theirs in names.items():
        value = float(np.mean(measure(run, qrels, MEASURES[ours])))
        assert value == pytest.approx(wanted[tools.parse_measure(theirs)]), ours
