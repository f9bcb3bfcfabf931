"""A ranker whose logits can be counted by hand: how many words of the query stand in the document."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np


class OverlapRanker:
    """`read` holds every document that was asked for."""

    name = "overlap"

    def __init__(self) -> None:
        self.read: list[str] = []

    def rank(self, query: str, documents: Sequence[str]) -> np.ndarray:
        self.read.extend(documents)
        words = set(re.findall(r"\w+", query.lower()))
        counts = [len(words & set(re.findall(r"[a-z]+", document.lower()))) for document in documents]
        return np.array(counts, np.float32)


class BackwardsRanker(OverlapRanker):
    """Prefers what shares no word, by a wide margin."""

    def rank(self, query: str, documents: Sequence[str]) -> np.ndarray:
        return -10 * super().rank(query, documents)
