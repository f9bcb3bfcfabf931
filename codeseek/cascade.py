"""The RR cascade: the ranker reads the first of a pool, and its score is blended with the first stage's.

One implementation serves `codeseek search` and `codeseek evaluate`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from codeseek.rankers.identity import IdentityRanker
from codeseek.retrievers.fusion import Blend, order_without_crowding
from codeseek.retrievers.hybrid import Pool
from codeseek.retrievers.signals import SIGNALS, weigh
from codeseek.types import Ranker

# Candidates that the ranker reads by default, and how many at a time under a budget; see tests/benchmarks/LOG.md.
DEFAULT_DEPTH = 20
BUDGET_BATCH = 8

DEFINITION = SIGNALS.index("definition")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A pool in its final order.

    `rows` [P] of the pool, best first; `scores` [P] after crowding, aligned with `rows`, of one scale among those that
    the ranker read and of another among the rest, which follow; `logits` [P] of the ranker by
    row of the pool, nan where it did not read; `probabilities` [P] of relevance, aligned with `rows`, never rising.
    """

    rows: np.ndarray
    scores: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray


def rank_pool(
    pool: Pool,
    blend: Blend,
    ranker: Ranker | None = None,
    *,
    depth: int = DEFAULT_DEPTH,
    budget_ms: float | None = None,
) -> Ranked:
    """Orders a pool for its reader.

    Args:
        pool: Of the first stage.
        blend: The weights.
        ranker: None keeps the first stage's order, crowding aside.
        depth: How many candidates the ranker reads. The others follow behind those that it read.
        budget_ms: Stop reading after this time; at least `BUDGET_BATCH` candidates are read.
    """
    logits = np.full(len(pool), np.nan, np.float32)
    scores = pool.scores.astype(np.float32)
    weights, ranker_weight = blend.weights_reranked(pool.query)
    files = [chunk.path for chunk in pool.chunks]
    crowding = blend.crowding_of(pool.query)
    ordered = order_without_crowding(scores, files, crowding)
    wanted = ranker_weight and len(pool) and not _finds_its_name(pool)
    # The name is asked for last: a lazy ranker loads its model for it.
    if wanted and ranker is not None and ranker.name != IdentityRanker.name:
        # What crowding keeps off the first page need not be read.
        chosen = [row for row, _ in ordered[:depth]]
        read = _read(pool, ranker, chosen, budget_ms)
        logits[chosen[: len(read)]] = read
        rows = np.flatnonzero(~np.isnan(logits))
        scores[rows] = weigh(pool.signals[rows], weights) + ranker_weight * logits[rows]
        first = order_without_crowding(scores[rows], [files[row] for row in rows], crowding)
        ordered = [(int(rows[place]), score) for place, score in first] + [
            (row, score) for row, score in ordered if np.isnan(logits[row])
        ]
    ordered = _one_part_a_definition(ordered, pool)
    rows = np.array([row for row, _ in ordered], dtype=np.int64)
    return Ranked(
        rows=rows,
        scores=np.array([score for _, score in ordered], dtype=np.float32),
        logits=logits,
        probabilities=np.minimum.accumulate(_probabilities(pool, blend, scores, logits)[rows]),
    )


def _finds_its_name(pool: Pool) -> bool:
    """Whether a symbol look-up has found a definition of the very name, to which reading could add nothing."""
    return pool.query.is_symbol and pool.signals[:, DEFINITION].max(initial=0.0) >= 1.0


def _one_part_a_definition(ordered: list[tuple[int, float]], pool: Pool) -> list[tuple[int, float]]:
    """Moves all parts of a split definition but one behind everything else.

    What stays is the best part; where a look-up asks for the definition itself, which all parts name, the first one,
    which declares it, in the best one's place.
    """
    parts: dict[tuple[str, str, str], list[int]] = {}
    for row, _ in ordered:
        chunk = pool.chunks[row]
        if chunk.name:
            parts.setdefault(chunk.definition, []).append(row)
    stays, leaves = {}, set()
    for rows in parts.values():
        if any(pool.chunks[row].part for row in rows):
            declares = pool.query.is_symbol and pool.signals[rows, DEFINITION].all()
            stays[rows[0]] = min(rows, key=lambda row: pool.chunks[row].part) if declares else rows[0]
            leaves.update(rows[1:])
    kept = [(stays.get(row, row), score) for row, score in ordered if row not in leaves]
    shown = {row for row, _ in kept}
    return kept + [(row, score) for row, score in ordered if row not in shown]


def _read(pool: Pool, ranker: Ranker, rows: list[int], budget_ms: float | None) -> np.ndarray:
    """Logits of the first of `rows`, as many as the budget allows."""
    if budget_ms is None:
        return ranker.rank(pool.query.text, pool.documents(rows))
    started = time.perf_counter()
    parts: list[np.ndarray] = []
    for start in range(0, len(rows), BUDGET_BATCH):
        if start and (time.perf_counter() - started) * 1000 > budget_ms:
            break
        batch = rows[start : start + BUDGET_BATCH]
        parts.append(ranker.rank(pool.query.text, pool.documents(batch)))
    return np.concatenate(parts)


def _probabilities(pool: Pool, blend: Blend, scores: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """[P] probability of relevance by row of the pool: a logistic function of score and absolute evidence."""
    read = ~np.isnan(logits)
    out = np.zeros(len(pool), np.float32)
    for mask, calibration in ((read, blend.calibration_reranked), (~read, blend.calibration)):
        if not mask.any():
            continue
        total = np.full(int(mask.sum()), calibration.get("bias", 0.0), np.float64)
        for name, weight in (calibration or {"score": 1.0}).items():
            if name == "score":
                total += weight * scores[mask]
            elif name == "ranker":
                total += weight * np.nan_to_num(logits[mask])
            elif name != "bias":
                total += weight * pool.signals[mask, SIGNALS.index(name)]
        out[mask] = 1.0 / (1.0 + np.exp(-total))
    return out
