"""Retrieves the pool of one query: what the lexical and the dense index find, with every signal measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from codeseek.retrievers.fusion import Blend
from codeseek.retrievers.query import Query
from codeseek.retrievers.signals import SIGNALS, measure_signals, weigh
from codeseek.stores.snapshot import Index
from codeseek.types import Candidate, StoredChunk

# Candidates that each stage proposes, whatever limit is asked for, so that the first k hits do not depend on k.
# Chosen in tests/benchmarks/LOG.md by recall of the pool.
LEXICAL_DEPTH = 150
DENSE_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Pool:
    """P candidates of one query, best first.

    `positions` [P] in the index, `signals` [P, len(SIGNALS)], `scores` [P] the blend before crowding; `read` gives what
    the ranker reads of document numbers.
    """

    query: Query
    positions: np.ndarray
    chunks: Sequence[StoredChunk]
    signals: np.ndarray
    scores: np.ndarray
    read: Callable[[Sequence[int]], list[str]]

    def __len__(self) -> int:
        return len(self.chunks)

    def documents(self, rows: Sequence[int]) -> list[str]:
        """What the ranker reads of some candidates, in that order."""
        return self.read([self.chunks[row].number for row in rows])

    def detached(self) -> Pool:
        """The same pool with its documents in memory, to be ranked after its index is closed."""
        texts = dict(zip((chunk.number for chunk in self.chunks), self.documents(range(len(self))), strict=True))
        return replace(self, read=lambda numbers: [texts[number] for number in numbers])

    def candidate(self, row: int) -> Candidate:
        """One candidate with its signals by name; zero ones are left out."""
        signals = self.signals[row]
        found_by = tuple(
            stage
            for stage, signal in (("lexical", "lexical_rank"), ("dense", "dense_rank"), ("symbol", "definition"))
            if signals[SIGNALS.index(signal)] > 0
        )
        stages = {name: float(value) for name, value in zip(SIGNALS, signals, strict=True) if value}
        return Candidate(self.chunks[row].number, float(self.scores[row]), found_by, stages)


class HybridRetriever:
    """The first stage over one opened index."""

    def __init__(self, index: Index, blend: Blend) -> None:
        self._index = index
        self._blend = blend

    def retrieve(self, query: Query, vector: np.ndarray | None, allowed: np.ndarray | None = None) -> Pool:
        """Proposes candidates for one query.

        Args:
            query: The parsed query.
            vector: [D] float32 unit vector of the query, or None to search by words alone.
            allowed: [N] bool by position, or None for all documents.

        Returns:
            At most `LEXICAL_DEPTH` + `DENSE_DEPTH` candidates by descending score, ties by path and line.
        """
        lexical, bm25 = self._index.lexical.search(query.terms, LEXICAL_DEPTH, allowed)
        if vector is None:
            dense = np.empty(0, np.int64)
        else:
            dense, _ = self._index.dense.search(vector, DENSE_DEPTH, allowed)
        # np.union1d would import numpy.ma, 7 ms of every start.
        positions = np.unique(np.concatenate((lexical, dense)), return_index=True)[0]
        chunks = self._index.chunks(self._index.numbers[positions])
        frequencies = self._index.lexical.document_frequencies(query.words)
        rarity = np.array([self._index.lexical.idf(int(count)) for count in frequencies], dtype=np.float32)
        held = self._index.lexical.match(query.words, positions) > 0
        similarity = np.zeros(len(positions), np.float32)
        if vector is not None and len(positions):
            similarity = np.nan_to_num(self._index.dense.similarities(vector, positions))
        signals = measure_signals(
            query,
            rarity,
            held,
            chunks,
            _scatter(positions, lexical, bm25),
            _ranks(positions, lexical),
            similarity,
            _ranks(positions, dense),
        )
        signals[:, SIGNALS.index("learned")] = self._blend.learned(query, signals)
        signals[:, SIGNALS.index("path")] = self._blend.path(chunks)
        scores = weigh(signals, self._blend.weights(query))
        paths, lines = self._index.tie_break(positions)
        order = np.lexsort((lines, paths, -scores))
        return Pool(
            query,
            positions[order],
            [chunks[row] for row in order],
            signals[order],
            scores[order],
            self._index.documents,
        )


def _scatter(positions: np.ndarray, found: np.ndarray, values: np.ndarray) -> np.ndarray:
    """[P] values at the places of `found` in the ascending `positions`, 0 elsewhere."""
    out = np.zeros(len(positions), np.float32)
    out[np.searchsorted(positions, found)] = values
    return out


def _ranks(positions: np.ndarray, found: np.ndarray) -> np.ndarray:
    """[P] 1-based rank in `found`, 0 where it is not there."""
    return _scatter(positions, found, np.arange(1, len(found) + 1))
