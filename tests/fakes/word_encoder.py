"""A dual-encoder that needs no model: a pure function of the words, whose answers can be foreseen."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np


class WordEncoder:
    """The sum of a fixed random direction a word, so that texts which share words are near each other."""

    def __init__(self, name: str = "fake-words", dimension: int = 32) -> None:
        self.name = name
        self.dimension = dimension
        self.encoded: list[str] = []

    def encode_queries(self, queries: Sequence[str]) -> np.ndarray:
        return np.stack([self._vector(query) for query in queries])

    def encode_documents(self, documents: Sequence[str]) -> np.ndarray:
        self.encoded.extend(documents)
        return self.encode_queries(documents)

    def _vector(self, text: str) -> np.ndarray:
        total = np.zeros(self.dimension)
        for word in ["", *re.findall(r"[a-z0-9]+", text.lower())]:
            seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
            total += np.random.default_rng(seed).standard_normal(self.dimension)
        return (total / np.linalg.norm(total)).astype(np.float32)
