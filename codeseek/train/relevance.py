"""What may not serve as a negative of a query."""

from __future__ import annotations

import numpy as np

from codeseek.train.data import TrainingSet

__all__ = ["Relevance"]


class Relevance:
    """Answers whether a document is as relevant to a query as the query's own positive.

    Relevant are the positive, what the pair names beside it, the same of every other query with the same text, and
    whatever shares its id or its text with a positive. The released code of R2PS skips this when its lambda is 0 (its
    window then begins with rank 1, where the positive mostly stands, so the positive is trained against itself); here
    it holds always.
    """

    def __init__(self, training: TrainingSet) -> None:
        self._query_hash = training.query_hash
        self._document_hash = training.document_hash
        self._identity = training.identity.astype(np.uint64)
        positive = training.positive
        queries = np.arange(len(training))
        self._texts = np.unique(self._text_keys(queries, positive))
        rows, identities = training.also.T
        others = _mix(self._query_hash[rows], identities.astype(np.uint64))
        self._ids = np.unique(np.concatenate([self._id_keys(queries, positive), others]))

    def __call__(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """Broadcasts rows of queries against rows of documents; a document of -1 is never relevant.

        Returns:
            Bool of the broadcast shape.
        """
        by_text = _contains(self._texts, self._text_keys(queries, documents))
        by_id = _contains(self._ids, self._id_keys(queries, documents))
        return (by_text | by_id) & (documents >= 0)

    def _text_keys(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        return _mix(self._query_hash[queries], self._document_hash[documents])

    def _id_keys(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        return _mix(self._query_hash[queries], self._identity[documents])


def _mix(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """One 64-bit key a pair (the finaliser of splitmix64); a collision would merely cost one negative."""
    with np.errstate(over="ignore"):
        mixed = left * np.uint64(0x9E3779B97F4A7C15) + right
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _contains(ordered: np.ndarray, keys: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    return ordered[place] == keys
