"""The one order of results: score descending, then path, then line; shared, so that ties never differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["TieBreak", "select_top"]

# Positions [K] int64 -> two keys [K] each, of which the first decides: the path's place among all paths, and the line.
TieBreak = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def select_top(
    positions: np.ndarray, scores: np.ndarray, depth: int, tie_break: TieBreak
) -> tuple[np.ndarray, np.ndarray]:
    """The best `depth` documents in the one order. Every document that ties with the last is considered.

    Args:
        positions: [N] int, distinct.
        scores: [N] float32, higher is better.
        depth: How many at most.

    Returns:
        Positions [K] int64 and scores [K] float32, K = min(depth, N).
    """
    if depth <= 0 or not len(positions):
        return np.empty(0, np.int64), np.empty(0, np.float32)
    if len(positions) > depth:
        threshold = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        kept = scores >= threshold
        positions, scores = positions[kept], scores[kept]
    paths, lines = tie_break(positions)
    order = np.lexsort((lines, paths, -scores))[:depth]
    return positions[order].astype(np.int64), scores[order].astype(np.float32)
