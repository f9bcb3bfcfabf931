"""BM25F over posting lists, in numpy.

Score of a document (Robertson, Zaragoza and Taylor 2004, with one length for all fields):

    sum over terms of idf * w * (k1 + 1) / (w + k1 * (1 - b + b * length / mean length))
    idf = ln(1 + (N - df + 0.5) / (df + 0.5)),    w = occurrences + sum of the weights of the fields that hold the term

Everything that depends on the whole corpus (N, df, mean length) is taken from the live documents when searching, so an
edit rewrites nothing but its own postings, and an updated index scores as a fresh one does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codeseek.indexes.ordering import TieBreak, select_top

__all__ = ["DEFAULT_WEIGHTS", "FIELD_BITS", "LexicalIndex", "Postings"]

K1 = 1.2  # Robertson and Zaragoza 2009; unmeasured here
B = 0.75
# On disk, as is the order: append only.
FIELD_BITS = {"path": 1, "name": 2, "scope": 4, "signature": 8, "documentation": 16, "body": 32}
# Added once where the field holds the term; occurrences in body and documentation count 1 each besides. Unmeasured.
DEFAULT_WEIGHTS: Mapping[str, float] = {
    "path": 2.0,
    "name": 4.0,
    "scope": 1.0,
    "signature": 1.0,
    "documentation": 1.0,
    "body": 0.0,
}


@dataclass(frozen=True, slots=True)
class Postings:
    """The live documents that hold a term: ascending positions, occurrences and field bits, [df] each."""

    positions: np.ndarray
    occurrences: np.ndarray
    fields: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)


class LexicalIndex:
    """BM25F over one snapshot.

    Args:
        read: Gives the postings of a term.
        lengths: [N] terms a document.
        tie_break: The keys of the one order.
        weights: By field; see `DEFAULT_WEIGHTS`.
    """

    def __init__(
        self,
        read: Callable[[str], Postings],
        lengths: np.ndarray,
        tie_break: TieBreak,
        weights: Mapping[str, float] = DEFAULT_WEIGHTS,
        k1: float = K1,
        b: float = B,
    ) -> None:
        self._read = read
        self._tie_break = tie_break
        self._count = len(lengths)
        mean = float(lengths.mean(dtype=np.float64)) if self._count else 1.0
        self._k1 = np.float32(k1)
        self._lengths = lengths
        self._norm_floor = np.float32(k1 * (1 - b))
        self._norm_slope = np.float32(k1 * b / max(mean, 1e-9))
        masks = np.arange(256)
        self._field_weights = sum(
            (weights.get(name, 0.0) * ((masks & bit) > 0) for name, bit in FIELD_BITS.items()), np.zeros(256)
        ).astype(np.float32)

    def search(
        self, terms: Sequence[str], depth: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best documents that hold at least one of the terms.

        Args:
            terms: Of the query, split as those of the documents; a repeated term counts once.
            depth: How many documents at most.
            allowed: [N] bool by position, or None for all. Idf stays that of the whole corpus, so that a filter never
                changes a score.

        Returns:
            Positions [K] int64 and scores [K] float32, by descending score, ties by path and line.
        """
        scores = np.zeros(self._count, np.float32)
        for term in dict.fromkeys(terms):
            postings = self._read(term)
            if len(postings):
                scores[postings.positions] += self._contribution(postings)
        found = np.flatnonzero(scores if allowed is None else np.where(allowed, scores, 0))
        return select_top(found, scores[found], depth, self._tie_break)

    def _contribution(self, postings: Postings) -> np.ndarray:
        """[df] float32, each above 0."""
        weight = postings.occurrences.astype(np.float32) + self._field_weights[postings.fields]
        norm = self._norm_floor + self._norm_slope * self._lengths[postings.positions]
        return self.idf(len(postings)) * weight * (self._k1 + 1) / (weight + norm)

    def idf(self, document_frequency: int) -> np.float32:
        return np.float32(np.log1p((self._count - document_frequency + 0.5) / (document_frequency + 0.5)))

    def document_frequencies(self, terms: Sequence[str]) -> np.ndarray:
        """[terms] int64: how many live documents hold each term."""
        return np.array([len(self._read(term)) for term in terms], np.int64)

    def match(self, terms: Sequence[str], positions: np.ndarray) -> np.ndarray:
        """Which fields of the given documents hold which terms.

        Args:
            positions: [K] int.

        Returns:
            [terms, K] uint8 of `FIELD_BITS`; 0 where the document does not hold the term.
        """
        masks = np.zeros((len(terms), len(positions)), np.uint8)
        for row, term in enumerate(terms):
            postings = self._read(term)
            if not len(postings):
                continue
            at = np.minimum(np.searchsorted(postings.positions, positions), len(postings) - 1)
            masks[row] = np.where(postings.positions[at] == positions, postings.fields[at], 0)
        return masks
