"""Measures of a ranking against judgements, as the TREC tools compute them.

A *run* holds, per query, document ids by descending score, ties already broken. *Qrels* hold, per query, the relevance
of judged documents; what is not judged is not relevant, above 0 is relevant. Every measure averages over the queries of
the qrels, so that a query which a run does not answer counts as 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from codeseek.errors import DataError

__all__ = [
    "MEASURES",
    "MRR_CUTOFF",
    "Measure",
    "Qrels",
    "Run",
    "mean_reciprocal_rank",
    "measure",
    "ndcg",
    "ndcg_within_judged",
    "recall",
    "reciprocal_rank",
    "success",
]

Run = Mapping[str, Sequence[str]]
Qrels = Mapping[str, Mapping[str, float]]
# Of one query: ranked documents and judgements -> a value in [0, 1].
Measure = Callable[[Sequence[str], Mapping[str, float]], float]

MRR_CUTOFF = 1000  # ranks beyond it count as 0, as in Dong et al. 2023


def reciprocal_rank(ranked: Sequence[str], judged: Mapping[str, float], cutoff: int = MRR_CUTOFF) -> float:
    """1 / rank of the first relevant document; 0 where none is among the first `cutoff`."""
    for rank, document in enumerate(ranked[:cutoff], 1):
        if judged.get(document, 0) > 0:
            return 1.0 / rank
    return 0.0


def ndcg(ranked: Sequence[str], judged: Mapping[str, float], cutoff: int) -> float:
    """Normalised discounted cumulative gain with the relevance as gain, `ndcg_cut` of trec_eval.

    Source: Järvelin and Kekäläinen 2002, with the discount log2(rank + 1).
    """
    ideal = _discounted(sorted((max(0.0, value) for value in judged.values()), reverse=True)[:cutoff])
    return _discounted([max(0.0, judged.get(document, 0.0)) for document in ranked[:cutoff]]) / ideal if ideal else 0.0


def ndcg_within_judged(ranked: Sequence[str], judged: Mapping[str, float]) -> float:
    """nDCG over the judged documents alone with the gain 2^relevance - 1, "within" of the CodeSearchNet challenge.

    Documents without a judgement are passed over: they take no rank.
    """
    gains = [2.0 ** judged[document] - 1 for document in ranked if document in judged]
    ideal = _discounted(sorted((2.0**value - 1 for value in judged.values()), reverse=True))
    return _discounted(gains) / ideal if ideal else 0.0


def recall(ranked: Sequence[str], judged: Mapping[str, float], cutoff: int) -> float:
    """Share of the relevant documents that are among the first `cutoff`."""
    relevant = {document for document, value in judged.items() if value > 0}
    return len(relevant.intersection(ranked[:cutoff])) / len(relevant) if relevant else 0.0


def success(ranked: Sequence[str], judged: Mapping[str, float], cutoff: int) -> float:
    """1 if a relevant document is among the first `cutoff`, else 0."""
    return float(any(judged.get(document, 0) > 0 for document in ranked[:cutoff]))


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


# What `codeseek evaluate` prints, by the names of ir-measures.
MEASURES: Mapping[str, Measure] = {
    "MRR": reciprocal_rank,
    "nDCG@10": partial(ndcg, cutoff=10),
    **{f"R@{cutoff}": partial(recall, cutoff=cutoff) for cutoff in (1, 5, 10, 100)},
    "Success@10": partial(success, cutoff=10),
}


def measure(run: Run, qrels: Qrels, one: Measure) -> np.ndarray:
    """The measure of every query of `qrels`, in that order.

    Args:
        run: Rankings by query id. Queries that are not judged are passed over.
        qrels: Judgements by query id.
        one: The measure of one query.

    Returns:
        [Q] float64 in [0, 1]; 0 where `run` has no ranking.

    Raises:
        DataError: If `qrels` is empty, or a ranking holds a document twice.
    """
    if not qrels:
        raise DataError("there are no judged queries to measure by")
    values = np.empty(len(qrels))
    for row, (query, judged) in enumerate(qrels.items()):
        ranked = run.get(query, ())
        if len(set(ranked)) != len(ranked):
            raise DataError(f"the ranking of query {query} holds a document twice")
        values[row] = one(ranked, judged)
    return values


def mean_reciprocal_rank(run: Run, qrels: Qrels, cutoff: int = MRR_CUTOFF) -> float:
    """Mean over the queries of `qrels` of 1 / rank of the first relevant document.

    Args:
        run: Per query, documents by descending score; ties already broken.
        qrels: Per query, relevance by document; > 0 is relevant.
        cutoff: Ranks beyond it count as 0, as in Dong et al. 2023 (1000).

    Returns:
        In [0, 1]. A query that `run` does not answer counts as 0.

    Raises:
        DataError: If `qrels` is empty.
    """
    return float(measure(run, qrels, partial(reciprocal_rank, cutoff=cutoff)).mean())
