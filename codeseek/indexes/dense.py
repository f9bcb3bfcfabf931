"""Dense search: a generation (exact or HNSW) and, exactly, the documents that came after it.

Rows are distinct contents; a document has the row of its content, so duplicates score alike and all come back. Scores
are always computed from the stored vectors, never taken from HNSW, so they equal those of the oracle.
"""

from __future__ import annotations

import numpy as np

from codeseek.errors import IndexDamaged
from codeseek.indexes.exact import rescore, top_rows
from codeseek.indexes.generation import Generation
from codeseek.indexes.ordering import TieBreak, select_top

__all__ = ["DenseIndex"]

# With fewer rows than this allowed, or less than this share, they are all scored: HNSW would walk past most of what it
# visits. Unmeasured above 100,000 rows.
FILTERED_EXACT_ROWS = 20_000
FILTERED_EXACT_SHARE = 0.1
OVERFETCH = 1.5


class DenseIndex:
    """Dense search over one snapshot.

    Args:
        rows: [N] int32: the row of each document; rows from `len(generation.vectors)` on are of `pending`; -1 for a
            document without a vector.
        generation: The derived base, or None.
        pending: [P, D] float16, vectors that are not in the base.
        tie_break: The keys of the one order.
    """

    def __init__(
        self, rows: np.ndarray, generation: Generation | None, pending: np.ndarray, tie_break: TieBreak
    ) -> None:
        self._rows = rows
        self._generation = generation
        self._base = 0 if generation is None else len(generation.vectors)
        self._pending = pending.astype(np.float32)
        self._tie_break = tie_break
        live = np.zeros(self._base + len(pending), bool)
        live[rows[rows >= 0]] = True
        self._live_rows = live

    @property
    def vectors(self) -> int:
        """How many documents have a vector."""
        return int(np.count_nonzero(self._rows >= 0))

    @property
    def base_rows(self) -> int:
        return self._base

    @property
    def pending_rows(self) -> int:
        return len(self._pending)

    @property
    def dead_base_rows(self) -> int:
        """Rows of the base that no live document has."""
        return self._base - int(np.count_nonzero(self._live_rows[: self._base]))

    @property
    def has_vector(self) -> np.ndarray:
        """[N] bool."""
        return self._rows >= 0

    def search(self, query: np.ndarray, depth: int, allowed: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The documents nearest to a query.

        Args:
            query: [D] float32, a unit vector.
            depth: How many documents at most.
            allowed: [N] bool by position, or None for all.

        Returns:
            Positions [K] int64 and cosines [K] float32, by descending cosine, ties by path and line. K falls short of
            `depth` only where fewer documents are allowed and have a vector.
        """
        wanted = self._live_rows
        if allowed is not None:
            wanted = np.zeros(len(wanted), bool)
            rows = self._rows[allowed]
            wanted[rows[rows >= 0]] = True
        found = self._nearest_rows(query, depth, wanted)
        if not len(found):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        row_scores = np.full(len(wanted) + 1, -np.inf, np.float32)  # the last entry is that of row -1
        row_scores[found] = self._rescore(query, found)
        scores = row_scores[self._rows]
        if allowed is not None:
            scores[~allowed] = -np.inf
        positions = np.flatnonzero(scores > -np.inf)
        return select_top(positions, scores[positions], depth, self._tie_break)

    def similarities(self, query: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Cosine of given documents [K] with the query; nan for a document without a vector. [K] float32."""
        rows = self._rows[positions]
        scores = np.full(len(rows), np.nan, np.float32)
        known = rows >= 0
        scores[known] = self._rescore(query, rows[known])
        return scores

    def vector(self, position: int) -> np.ndarray | None:
        """The vector [D] float32 of one document, or None where it has none."""
        row = int(self._rows[position])
        if row < 0:
            return None
        source = self._pending[row - self._base] if row >= self._base else self._vectors()[row]
        return np.asarray(source, np.float32)

    def _vectors(self) -> np.ndarray:
        if self._generation is None:
            raise IndexDamaged("a row of no generation", hint="build it again: codeseek index --rebuild")
        return self._generation.vectors

    def _nearest_rows(self, query: np.ndarray, depth: int, wanted: np.ndarray) -> np.ndarray:
        """Rows among `wanted` that hold the best `depth`, base and pending together."""
        pending = np.flatnonzero(wanted[self._base :])
        found = [top_rows(self._pending, query, depth, pending) + self._base]
        if self._generation is not None and self._base:
            found.append(self._nearest_in_base(self._generation, query, depth, wanted[: self._base]))
        return np.concatenate(found)

    def _nearest_in_base(self, generation: Generation, query: np.ndarray, depth: int, wanted: np.ndarray) -> np.ndarray:
        count = int(np.count_nonzero(wanted))
        graph = generation.graph()
        strongly_filtered = count < len(wanted) and (
            count <= FILTERED_EXACT_ROWS or count < FILTERED_EXACT_SHARE * len(wanted)
        )
        if graph is not None and not strongly_filtered and depth < count:
            asked = depth if count == len(wanted) else int(OVERFETCH * depth * len(wanted) / count) + 1
            rows = graph.nearest(query, asked)
            if rows is not None:
                rows = rows[wanted[rows]]
                if len(rows) >= depth:
                    return rows
        everything = count == len(wanted)
        return top_rows(generation.vectors, query, depth, None if everything else np.flatnonzero(wanted))

    def _rescore(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        scores = np.empty(len(rows), np.float32)
        in_base = rows < self._base
        if in_base.any():
            scores[in_base] = rescore(self._vectors(), query, rows[in_base])
        scores[~in_base] = rescore(self._pending, query, rows[~in_base] - self._base)
        return scores
