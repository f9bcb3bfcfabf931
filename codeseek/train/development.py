"""Development measures while training: the mean reciprocal rank of reranked pools."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from codeseek.train.data import TrainingSet
from codeseek.train.inputs import Assembler, Padded
from codeseek.train.models import CrossEncoder, DualEncoder, torch
from codeseek.train.objectives import tensors_of
from codeseek.train.rankings import Ranking
from codeseek.train.relevance import Relevance

__all__ = ["DevelopmentPools", "Scorer", "cross_scorer", "dual_scorer", "reranking_measures", "run_passes"]

# Scores of [B, K] documents for [B] queries.
Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]


class DevelopmentPools:
    """The queries that a model is judged by, each with its first-stage pool.

    A query whose pool lacks every relevant document is kept and counts as 0, as in a search. The positive as indexed
    and the pair's own text of it are one document here: whatever is relevant counts.

    Args:
        development: Pairs and documents.
        ranking: The first stage's lists of them.
        queries: Queries used, drawn evenly with a fixed seed; 0 for all.
        depth: Documents of each list.
    """

    def __init__(self, development: TrainingSet, ranking: Ranking, queries: int, depth: int) -> None:
        rows = np.flatnonzero((ranking.documents >= 0).any(axis=1))
        if queries and queries < len(rows):
            rows = np.sort(np.random.default_rng(0).permutation(rows)[:queries])
        self.set = development
        self.queries = rows
        self.documents = ranking.documents[rows, :depth]
        self.relevant = Relevance(development)(rows[:, None], self.documents)


def reranking_measures(pools: DevelopmentPools, scorer: Scorer) -> dict[str, float]:
    """MRR of the reranked pools, the first stage's own, and the share of pools that hold a relevant document."""
    scores = np.where(pools.documents >= 0, scorer(pools.queries, pools.documents), -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")
    reranked = np.take_along_axis(pools.relevant, order, axis=1)
    return {
        "MRR": round(_mean_reciprocal_rank(reranked), 5),
        "first_stage_MRR": round(_mean_reciprocal_rank(pools.relevant), 5),
        "recall": round(float(pools.relevant.any(axis=1).mean()), 5),
    }


def _mean_reciprocal_rank(relevant: np.ndarray) -> float:
    """Of bool [Q, K] in rank order; a row without a relevant document counts as 0."""
    return float(np.where(relevant.any(axis=1), 1.0 / (relevant.argmax(axis=1) + 1), 0.0).mean())


def cross_scorer(model: CrossEncoder, assembler: Assembler, bf16: bool) -> Scorer:
    """Scores with a cross-encoder."""

    def score(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        cells = np.argwhere(documents >= 0)
        passes = assembler.pairs(queries[cells[:, 0]], documents[cells[:, 0], cells[:, 1]])
        scores = np.zeros(documents.shape, np.float32)
        scores[cells[:, 0], cells[:, 1]] = run_passes(model, passes, bf16)
        return scores

    return score


def dual_scorer(
    model: DualEncoder, assembler: Assembler, bf16: bool, *, queries_model: DualEncoder | None = None
) -> Scorer:
    """Scores by the cosine of a dual-encoder, or of two; each distinct document is encoded once."""

    def score(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        distinct, places = np.unique(np.maximum(documents, 0), return_inverse=True)
        query_vectors = run_passes(queries_model or model, assembler.queries(queries), bf16)
        document_vectors = run_passes(model, assembler.documents(distinct), bf16)
        return np.einsum("qd,qkd->qk", query_vectors, document_vectors[places.reshape(documents.shape)])

    return score


def run_passes(model: CrossEncoder | DualEncoder, passes: Sequence[Padded], bf16: bool) -> np.ndarray:
    """The model's outputs in the order of the rows, float32."""
    device = next(model.parameters()).device
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        outputs = [model(**tensors_of(padded, device)).float().cpu().numpy() for padded in passes]
    order = np.concatenate([padded.rows for padded in passes])
    joined = np.concatenate(outputs)
    result = np.empty_like(joined)
    result[order] = joined
    return result
