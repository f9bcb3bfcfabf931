"""Quality against k, and quality against time: what one more reranked candidate brings and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from codeseek.cascade import rank_pool
from codeseek.evaluate.corpus import Corpus
from codeseek.evaluate.datasets import Part
from codeseek.evaluate.measures import measure, reciprocal_rank, success
from codeseek.evaluate.plot import Point, line_chart
from codeseek.evaluate.stages import CachedRanker, Models, Stage, StageRun, retrieve_pools

__all__ = ["DEPTHS", "DepthPoint", "depth_chart", "k_chart", "measure_depths"]

DEPTHS = (5, 10, 20, 30, 50)
CURVE_QUERIES = 100  # of each part: the curve is for choosing a depth, the table for the figures
K_VALUES = (1, 2, 3, 5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """`depth` 0 is the search without the cross-encoder. `values` [Q] reciprocal ranks, in the order of the queries."""

    depth: int
    values: np.ndarray
    milliseconds: float

    @property
    def mrr(self) -> float:
        return float(self.values.mean())


def measure_depths(
    corpus: Corpus, part: Part, models: Models, depths: Sequence[int] = DEPTHS, queries: int = CURVE_QUERIES
) -> list[DepthPoint]:
    """MRR and mean milliseconds a query for each depth.

    Each (query, document) is read once: the time of a depth is that of the first stage and of as many documents as it
    reads, at the mean time a document measured here.
    """
    chosen = dict(islice(part.queries.items(), queries))
    qrels = {query: part.qrels[query] for query in chosen}
    pools = retrieve_pools(corpus, chosen, models, part.allowed)
    first_stage_ms = float(np.mean([ms for _, ms in pools.values()]))
    ranker = CachedRanker(models.ranker) if models.ranker is not None else None
    orders: dict[int, dict[str, list[str]]] = {}
    counts: dict[int, float] = {}
    for depth in (0, *depths) if ranker is not None else (0,):
        orders[depth] = {}
        reads = []
        for query, (pool, _) in pools.items():
            ranked = rank_pool(pool, models.blend, ranker if depth else None, depth=max(depth, 1))
            orders[depth][query] = [corpus.ids[position] for position in pool.positions[ranked.rows]]
            reads.append(np.count_nonzero(~np.isnan(ranked.logits)))
        counts[depth] = float(np.mean(reads))
    document_ms = 1000 * ranker.seconds / ranker.read if ranker is not None and ranker.read else 0.0
    return [
        DepthPoint(depth, measure(order, qrels, reciprocal_rank), first_stage_ms + counts[depth] * document_ms)
        for depth, order in orders.items()
    ]


def k_chart(part: Part, runs: Mapping[Stage, StageRun], dataset: str) -> str:
    """SVG of the share of queries with a relevant document among the first k, a line a stage."""
    lines = {
        stage.value: [
            Point(k, float(measure(one.run, part.qrels, partial(success, cutoff=k)).mean())) for k in K_VALUES
        ]
        for stage, one in runs.items()
    }
    title = f"{dataset}, {part.name}: {len(part.queries)} queries"
    return line_chart(title, "k", "share of queries answered in the first k", lines, log_x=True)


def depth_chart(points: Sequence[DepthPoint], title: str) -> str:
    """SVG of MRR against milliseconds, a point a depth."""
    line = [Point(point.milliseconds, point.mrr, f"k={point.depth}" if point.depth else "fused") for point in points]
    return line_chart(title, "milliseconds a query", "MRR", {"reranked": line})
