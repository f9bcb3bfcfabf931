"""The corpus-wide ranking of a frozen dual-encoder: where PS looks for negatives in the paper's setting.

The paper embeds all training codes once an epoch. A frozen encoder answers the same each time, so once a run suffices.
Mining is one matrix product a block of queries and a partition of its rows; only the window is ever sorted.
"""

from __future__ import annotations

import numpy as np

from codeseek.train.data import TrainingSet
from codeseek.train.rankings import Ranking

__all__ = ["rank_corpus"]

# Scores held at a time: 256 queries against 100,000 documents are 100 MB.
BLOCK_SCORES = 25_600_000


def rank_corpus(
    training: TrainingSet,
    query_vectors: np.ndarray,
    document_vectors: np.ndarray,
    *,
    depth: int,
    first: int = 0,
    same_repository: bool = False,
) -> Ranking:
    """Ranks every document for every query and keeps a window.

    Args:
        training: Which document is whose positive.
        query_vectors: [Q, D] float32 unit rows.
        document_vectors: [N, D] float32 unit rows.
        depth: Documents kept.
        first: Ranks left out at the top: floor(N * lambda). Their documents are gone, so `WindowSettings.lambda_` is to
            be 0 afterwards.
        same_repository: Rank the documents of the query's repository alone: that is where search happens.

    Returns:
        [Q, min(depth, N - first)], best first; ties go to the lower row, but which of several that tie across the end
        of the window are kept is up to numpy (the same ones each time). -1 where a repository has no more.
    """
    count = len(document_vectors)
    first = min(first, count)
    stop = min(first + depth, count)
    documents = np.full((len(query_vectors), stop - first), -1, np.int32)
    scores = np.full(documents.shape, np.nan, np.float32)
    positive_scores = np.einsum("qd,qd->q", query_vectors, document_vectors[training.positive]).astype(np.float32)
    block = max(1, BLOCK_SCORES // max(count, 1))
    home = training.repository[training.positive]
    for start in range(0, len(query_vectors), block):
        product = query_vectors[start : start + block] @ document_vectors.T
        if same_repository:
            product[home[start : start + block, None] != training.repository[None, :]] = -np.inf
        if stop < count:
            top = np.argpartition(-product, stop - 1, axis=1)[:, :stop]
        else:
            top = np.broadcast_to(np.arange(count), product.shape)
        top = np.sort(top, axis=1)
        values = np.take_along_axis(product, top, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")[:, first:]
        kept = np.take_along_axis(values, order, axis=1)
        ranked = np.take_along_axis(top, order, axis=1)
        documents[start : start + block] = np.where(np.isneginf(kept), -1, ranked)
        scores[start : start + block] = np.where(np.isneginf(kept), np.nan, kept)
    return Ranking(documents, scores, positive_scores)
