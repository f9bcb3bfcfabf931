"""Dense search over the rows of the vector store that one snapshot needs, exactly or by HNSW.

Rows are distinct contents; a document has the row of its content, so duplicates score alike and all come back. Scores
are always computed from the stored vectors, never taken from HNSW, so they equal those of the oracle.
"""

from __future__ import annotations

import numpy as np

from codeseek.indexes.exact import rescore, top_rows
from codeseek.indexes.generation import Generation
from codeseek.indexes.ordering import TieBreak, select_top
from codeseek.indexes.quantised import widen

__all__ = ["DenseIndex"]

# With a smaller share than this allowed they are all scored: HNSW would walk past most of what it visits.
FILTERED_EXACT_SHARE = 0.5
OVERFETCH = 1.5


class DenseIndex:
    """Dense search over one snapshot.

    Args:
        rows: [N] int32: the place of each document's vector in `records`; -1 for a document without a vector.
        records: [R] of `quantised.record_dtype(D)`: the vector store, which may hold rows of others too.
        tie_break: The keys of the one order.
        generation: Where a graph may be found; None for exact search.
        in_generation: How many of the documents it places; the others were looked up in the store.
    """

    def __init__(
        self,
        rows: np.ndarray,
        records: np.ndarray,
        tie_break: TieBreak,
        generation: Generation | None = None,
        in_generation: int = 0,
    ) -> None:
        self._rows = rows
        self._records = records
        self._generation = generation
        self._in_generation = in_generation
        self._tie_break = tie_break
        self._live = self._distinct(rows)
        self._outside_graph: np.ndarray | None = None

    def _distinct(self, rows: np.ndarray) -> np.ndarray:
        """The rows that occur, ascending, without -1: [R] int64. A table is faster than sorting."""
        occurs = np.zeros(len(self._records) + 1, bool)
        occurs[rows] = True  # the last entry is that of -1
        return np.flatnonzero(occurs[:-1])

    @property
    def vectors(self) -> int:
        """How many documents have a vector."""
        return int(np.count_nonzero(self._rows >= 0))

    @property
    def base_rows(self) -> int:
        """How many documents the generation places, those that are gone included."""
        return 0 if self._generation is None else int(np.count_nonzero(self._generation.rows >= 0))

    @property
    def pending_rows(self) -> int:
        """How many documents have a vector of which the generation does not know."""
        return self.vectors - self._in_generation

    @property
    def dead_base_rows(self) -> int:
        """How many documents the generation places that are gone."""
        return self.base_rows - self._in_generation

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
        wanted = self._live if allowed is None else self._distinct(self._rows[allowed])
        found = self._nearest_rows(query, depth, wanted)
        if not len(found):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        found.sort()
        is_found = np.zeros(len(self._records) + 1, bool)
        is_found[found] = True
        positions = np.flatnonzero(is_found[self._rows] if allowed is None else is_found[self._rows] & allowed)
        scores = rescore(self._records, query, found)[np.searchsorted(found, self._rows[positions])]
        return select_top(positions, scores, depth, self._tie_break)

    def similarities(self, query: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Cosine of given documents [K] with the query; nan for a document without a vector. [K] float32."""
        rows = self._rows[positions]
        scores = np.full(len(rows), np.nan, np.float32)
        known = rows >= 0
        scores[known] = rescore(self._records, query, rows[known])
        return scores

    def vector(self, position: int) -> np.ndarray | None:
        """The vector [D] float32 of one document, or None where it has none."""
        row = int(self._rows[position])
        return None if row < 0 else widen(self._records[row : row + 1])[0]

    def _nearest_rows(self, query: np.ndarray, depth: int, wanted: np.ndarray) -> np.ndarray:
        """Rows among `wanted`, which ascends, that hold the best `depth`."""
        found = self._nearest_by_graph(query, depth, wanted)
        return top_rows(self._records, query, depth, wanted) if found is None else found

    def _nearest_by_graph(self, query: np.ndarray, depth: int, wanted: np.ndarray) -> np.ndarray | None:
        """The same by the graph, with all rows outside it; None where exact search is to answer."""
        graph = None if self._generation is None else self._generation.graph()
        if graph is None or depth >= len(wanted) or len(wanted) < FILTERED_EXACT_SHARE * len(self._live):
            return None
        if graph.rows[-1] >= len(self._records):
            return None
        is_wanted = np.zeros(len(self._records), bool)
        is_wanted[wanted] = True
        if self._outside_graph is None:
            inside = np.zeros(len(self._records), bool)
            inside[graph.rows] = True
            self._outside_graph = self._live[~inside[self._live]]
        outside = self._outside_graph[is_wanted[self._outside_graph]]
        count = len(wanted) - len(outside)
        if depth >= count:
            return None
        asked = depth if count == len(graph.rows) else int(OVERFETCH * depth * len(graph.rows) / count) + 1
        rows = graph.nearest(query, asked)
        if rows is None:
            return None
        rows = rows[is_wanted[rows]]
        return np.concatenate((rows, top_rows(self._records, query, depth, outside))) if len(rows) >= depth else None
