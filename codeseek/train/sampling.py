"""Where the negatives of a cross-encoder come from: random, in-batch, or the dual-encoder's own ranking (PS).

Every source answers the same question through `draw`, so the paper's comparison is a change of one option. Draws depend
on nothing but the arguments: a run that is resumed draws what the uninterrupted one would have drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from codeseek.errors import UsageError
from codeseek.train.data import TrainingSet
from codeseek.train.rankings import Ranking
from codeseek.train.relevance import Relevance

__all__ = [
    "FilterReport",
    "InBatchNegatives",
    "MixedNegatives",
    "NegativeSource",
    "RandomNegatives",
    "RankingNegatives",
    "WindowSettings",
]

# A random document that turns out relevant is drawn again this often, then left out.
REDRAWS = 8


class NegativeSource(Protocol):
    """Gives negatives to the queries of one batch."""

    def draw(self, queries: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
        """Draw `count` negatives a query.

        Args:
            queries: [B] rows of the queries in the batch.
            count: M.
            random: All randomness comes from here.

        Returns:
            [B, M] int32 rows of documents, distinct within a query, none relevant to it; -1 where there were too few,
            always at the end.
        """


class RandomNegatives:
    """Documents drawn evenly from the whole corpus, or from the query's own repository."""

    def __init__(self, training: TrainingSet, relevance: Relevance, *, same_repository: bool = False) -> None:
        self._relevance = relevance
        self._same_repository = same_repository
        order = np.argsort(training.repository, kind="stable").astype(np.int32)
        sizes = np.bincount(training.repository)
        ends = np.cumsum(sizes)
        home = training.repository[training.positive]
        if same_repository:
            self._documents, self._starts, self._sizes = order, (ends - sizes)[home], sizes[home]
        else:
            self._documents = order
            self._starts = np.zeros(len(training), np.int64)
            self._sizes = np.full(len(training), len(order), np.int64)

    def draw(self, queries: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
        drawn = np.full((len(queries), count), -1, np.int32)
        for _ in range(REDRAWS):
            missing = drawn < 0
            if not missing.any():
                break
            offsets = (random.random(drawn.shape) * self._sizes[queries, None]).astype(np.int64)
            fresh = self._documents[self._starts[queries, None] + offsets]
            drawn = np.where(missing, fresh, drawn)
            drawn[self._relevance(queries[:, None], drawn)] = -1
            drawn = _drop_repeats(drawn)
        return _compact(drawn)


class InBatchNegatives:
    """RR: the positives of the other queries in the batch."""

    def __init__(self, training: TrainingSet, relevance: Relevance) -> None:
        self._positive = training.positive
        self._relevance = relevance

    def draw(self, queries: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
        if count >= len(queries):
            raise UsageError(
                f"a batch of {len(queries)} queries has no {count} in-batch negatives a query",
                hint=f"--batch {count + 1} or more, or fewer --negatives",
            )
        others = np.broadcast_to(self._positive[queries], (len(queries), len(queries))).copy()
        others = np.take_along_axis(others, random.random(others.shape).argsort(axis=1), axis=1)
        others[self._relevance(queries[:, None], others)] = -1
        return _compact(_drop_repeats(others))[:, :count]


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """Where PS looks in a ranking.

    Args:
        lambda_: The window begins `floor(N * lambda_)` ranks from the top: 0 in the paper, 0.004 for StaQC.
        corpus_size: N of that formula; 0 for the length of each query's own ranking.
        size: Ranks the window spans after exclusions; 0 means just as many as negatives are drawn, which is the
            contiguous window of the released code. Of a longer window the negatives are sampled evenly.
        absolute_margin: A candidate scored above positive - margin is taken for a false negative; None for no filter.
        relative_margin: The same for candidates scored above positive * (1 - margin).
    """

    lambda_: float = 0.0
    corpus_size: int = 0
    size: int = 0
    absolute_margin: float | None = None
    relative_margin: float | None = None


@dataclass(frozen=True, slots=True)
class FilterReport:
    """How many candidates of all rankings went, and why; each is counted under the first reason that holds."""

    candidates: int
    relevant: int
    duplicates: int
    before_window: int
    absolute_margin: int
    relative_margin: int
    kept: int
    queries_without_negative: int
    queries_without_positive_score: int


class RankingNegatives:
    """PS: a window of the frozen dual-encoder's ranking, without what is as relevant as the positive.

    Candidates that repeat an earlier one's text are left out as well. `report` says what went.
    """

    def __init__(
        self, training: TrainingSet, relevance: Relevance, ranking: Ranking, settings: WindowSettings | None = None
    ) -> None:
        self._settings = settings = settings or WindowSettings()
        documents = ranking.documents
        listed = documents >= 0
        relevant = relevance(np.arange(len(training))[:, None], documents)
        repeated = listed & ~relevant & (_drop_repeats(documents, training.document_hash) < 0)
        sizes = np.full(len(documents), settings.corpus_size) if settings.corpus_size else listed.sum(axis=1)
        first = np.floor(sizes * settings.lambda_).astype(np.int64)
        early = np.arange(documents.shape[1])[None, :] < first[:, None]
        absolute, relative = _false_negatives(ranking, settings)
        keep = listed.copy()
        counts = []
        for reason in (relevant, repeated, early, absolute, relative):
            counts.append(int((keep & reason).sum()))
            keep &= ~reason
        self._documents = _compact(np.where(keep, documents, -1))
        kept = keep.sum(axis=1)
        self.report = FilterReport(
            int(listed.sum()),
            *counts,
            kept=int(kept.sum()),
            queries_without_negative=int((kept == 0).sum()),
            queries_without_positive_score=int(np.isnan(ranking.positive_scores).sum()),
        )

    def draw(self, queries: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
        window = self._documents[queries, : max(self._settings.size, count)]
        if window.shape[1] > count:
            # The key of an empty place is beyond 1, so documents come first; sorting a window, never the corpus.
            keys = random.random(window.shape) + (window < 0) * 2
            window = np.take_along_axis(window, keys.argsort(axis=1), axis=1)
        drawn = np.full((len(queries), count), -1, np.int32)
        drawn[:, : min(count, window.shape[1])] = window[:, :count]
        return drawn


class MixedNegatives:
    """Several sources side by side; what an earlier one lacks, the last one fills up."""

    def __init__(self, parts: Sequence[tuple[NegativeSource, float]]) -> None:
        """Args:
        parts: Sources and their shares, which sum to 1; the last one gives whatever is still missing.
        """
        self._parts = parts

    def draw(self, queries: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
        drawn = np.full((len(queries), 0), -1, np.int32)
        for source, share in self._parts[:-1]:
            drawn = np.concatenate([drawn, source.draw(queries, round(count * share), random)], axis=1)
        drawn = np.concatenate([drawn, self._parts[-1][0].draw(queries, count, random)], axis=1)
        return _compact(_drop_repeats(drawn))[:, :count]


def _false_negatives(ranking: Ranking, settings: WindowSettings) -> tuple[np.ndarray, np.ndarray]:
    """Bool [Q, depth] twice: above the absolute and above the relative margin. An unknown score exceeds nothing."""
    positive = ranking.positive_scores[:, None]
    flags = []
    for allowed in (settings.absolute_margin, settings.relative_margin and np.abs(positive) * settings.relative_margin):
        known = np.zeros(ranking.scores.shape, bool) if allowed is None else ranking.scores > positive - allowed
        flags.append(known)
    return flags[0], flags[1]


def _drop_repeats(rows: np.ndarray, content: np.ndarray | None = None) -> np.ndarray:
    """Sets to -1 what stands earlier in the same row, by number or by content."""
    keys = rows.astype(np.int64) if content is None else np.where(rows >= 0, content[rows], 0)
    order = np.argsort(keys, axis=1, kind="stable")
    ordered = np.take_along_axis(keys, order, axis=1)
    repeated = np.zeros(rows.shape, bool)
    np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return np.where(repeated, np.int32(-1), rows)


def _compact(rows: np.ndarray) -> np.ndarray:
    """Moves the -1 of each row to its end and keeps the order of the rest."""
    return np.take_along_axis(rows, np.argsort(rows < 0, axis=1, kind="stable"), axis=1)
