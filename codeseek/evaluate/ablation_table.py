"""The table of an ablation: every ranker over the pools of one dual-encoder, by depth and by combination of scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codeseek.cascade import rank_pool
from codeseek.errors import FileError
from codeseek.evaluate.corpus import open_corpus
from codeseek.evaluate.datasets import DataSet, Part
from codeseek.evaluate.measures import measure, reciprocal_rank
from codeseek.evaluate.plot import Point, line_chart, write_chart
from codeseek.evaluate.significance import Difference, bootstrap_interval, paired_difference, stratified_mean
from codeseek.evaluate.stages import CachedRanker, Models, retrieve_pools
from codeseek.retrievers.fusion import Blend
from codeseek.retrievers.hybrid import Pool
from codeseek.types import Encoder, Ranker

__all__ = [
    "AblationRow",
    "AblationTable",
    "Plan",
    "ablation_record",
    "compare",
    "format_ablation",
    "paper_blend",
    "write_ablation",
]

# The inverse temperature that the dual-encoder is trained with: cosines times it are logits, as the ranker's are.
DUAL_SCALE = 20.0
BLEND_SCALES = (0.0, 2.5, 5.0, 10.0, 20.0, 40.0)
MAIN = "RR + PS"

Values = dict[tuple[str, int], list[np.ndarray]]


@dataclass(frozen=True, slots=True)
class Plan:
    """One cross-encoder: where its negatives come from, M and lambda."""

    name: str
    source: str
    negatives: int
    lambda_: float


@dataclass(frozen=True, slots=True)
class AblationRow:
    """MRR of one configuration over the first `k`; `against` is the dual-encoder."""

    name: str
    k: int
    negatives: int
    lambda_: float
    mrr: float
    interval: tuple[float, float]
    against: Difference | None


@dataclass(frozen=True, slots=True)
class AblationTable:
    """`comparisons` are the paper's claims, each with its paired difference."""

    dataset: str
    pairs: int
    queries: int
    rows: tuple[AblationRow, ...]
    comparisons: tuple[tuple[str, Difference], ...]


def paper_blend(cosine_scale: float = 0.0) -> Blend:
    """The cascade of the paper: ordered by the cosine alone; once the ranker has read, by its score.

    Args:
        cosine_scale: 0 replaces the first stage's score; otherwise the cosine is added, so many times.
    """
    cosine = {"cosine": 1.0}
    combined = {"ranker": 1.0, "cosine": cosine_scale}
    return Blend(
        words=cosine,
        components=cosine,
        symbol=cosine,
        words_reranked=combined,
        components_reranked=combined,
        symbol_reranked=combined,
        crowding={"words": 0.0, "components": 0.0, "symbol": 0.0},
    )


def compare(
    dataset: DataSet,
    validation: DataSet | None,
    pairs: int,
    encoder: Encoder,
    rankers: Sequence[tuple[Plan, Ranker]],
    depths: Sequence[int],
) -> AblationTable:
    """Evaluates every ranker over the dual-encoder's pools.

    Args:
        dataset: Its headline parts are answered.
        validation: What the blend's weight is found on; None leaves the blend out.
        pairs: Of training, for the record.
        encoder: The first stage.
        rankers: With what they were trained on; the one named `RR + PS` is also summed and blended with the cosine.
        depths: k.
    """
    cached = {plan.name: CachedRanker(ranker) for plan, ranker in rankers}
    plans = [plan for plan, _ in rankers]
    main = next(plan for plan in plans if plan.name == MAIN)
    ways = [(plan.name, plan, 0.0) for plan in plans]
    ways.append((f"{MAIN}, summed", main, DUAL_SCALE))
    if validation is not None:
        scale = _best_scale(validation, encoder, cached[MAIN], depths)
        ways.append((f"{MAIN}, blended x{scale:g}", main, scale))
    values: Values = {}
    for part, orders in _answer(dataset, encoder):
        values.setdefault(("dual", 0), []).append(_measured(part, orders, None, 1, 0.0))
        for name, plan, scale in ways:
            for depth in depths:
                found = _measured(part, orders, cached[plan.name], depth, scale)
                values.setdefault((name, depth), []).append(found)
    dual = values["dual", 0]
    rows = [AblationRow("dual", 0, 0, 0.0, stratified_mean(dual), bootstrap_interval(dual), None)]
    for name, plan, _ in ways:
        for depth in depths:
            strata = values[name, depth]
            mean, interval = stratified_mean(strata), bootstrap_interval(strata)
            against = paired_difference(dual, strata)
            rows.append(AblationRow(name, depth, plan.negatives, plan.lambda_, mean, interval, against))
    queries = sum(map(len, dual))
    return AblationTable(dataset.name, pairs, queries, tuple(rows), tuple(_claims(values, depths)))


def _claims(values: Values, depths: Sequence[int]) -> list[tuple[str, Difference]]:
    """What the paper says: each step of the order, at every k."""
    steps = (("dual", "RR, in-batch"), ("RR, random", "RR, in-batch"), ("RR, in-batch", MAIN))
    return [
        (
            f"{first} -> {second}, k {depth}",
            paired_difference(values[first, 0 if first == "dual" else depth], values[second, depth]),
        )
        for depth in depths
        for first, second in steps
    ]


Orders = tuple[list[str], Mapping[str, Pool]]


def _answer(dataset: DataSet, encoder: Encoder) -> list[tuple[Part, Orders]]:
    """The ids by position and the pool of each query, for each headline part."""
    found = []
    for part in dataset.parts if dataset.averaged else dataset.parts[:1]:
        files = {f"{number:08d}": [entry] for number, entry in enumerate(part.documents.items())}
        with open_corpus(files, encoder, pathless=True) as corpus:
            pools = retrieve_pools(corpus, part.queries, Models(encoder, None, paper_blend()), part.allowed)
            found.append((part, (corpus.ids, {query: pool.detached() for query, (pool, _) in pools.items()})))
    return found


def _measured(part: Part, orders: Orders, ranker: Ranker | None, depth: int, scale: float) -> np.ndarray:
    """[Q] reciprocal ranks."""
    ids, pools = orders
    blend = paper_blend(scale)
    run = {
        query: [ids[position] for position in pool.positions[rank_pool(pool, blend, ranker, depth=depth).rows]]
        for query, pool in pools.items()
    }
    return measure(run, part.qrels, reciprocal_rank)


def _best_scale(validation: DataSet, encoder: Encoder, ranker: Ranker, depths: Sequence[int]) -> float:
    """How often the cosine is best added, at the middle k; of equals the smallest."""
    depth = depths[len(depths) // 2]
    answered = _answer(validation, encoder)
    means = {
        scale: stratified_mean([_measured(part, orders, ranker, depth, scale) for part, orders in answered])
        for scale in BLEND_SCALES
    }
    return max(BLEND_SCALES, key=lambda scale: (means[scale], -scale))


def format_ablation(table: AblationTable) -> str:
    """The table for people to read; lines end with a line feed."""
    lines = [f"{table.dataset}: {table.queries:,} queries, {table.pairs:,} training pairs", ""]
    lines.append(f"{'':<24}{'k':>4}{'M':>4}{'lambda':>8}{'MRR':>8}{'95 %':>17}   over the dual-encoder")
    for row in table.rows:
        gain = row.against
        against = str(gain) if gain is not None else ""
        between = f"{row.interval[0]:.3f} to {row.interval[1]:.3f}"
        numbers = f"{row.k or '-':>4}{row.negatives or '-':>4}{row.lambda_:>8g}"
        lines.append(f"{row.name:<24}{numbers}{row.mrr:>8.3f}{between:>17}   {against}".rstrip())
    lines += ["", "paired differences of MRR:"]
    for title, gain in table.comparisons:
        lines.append(f"  {title:<38}{gain}")
    return "\n".join(lines) + "\n"


def write_ablation(out: Path, table: AblationTable) -> None:
    """Writes `ablation.json`, and MRR against k as `ablation.k.svg`.

    Raises:
        FileError: If a file cannot be written.
    """
    try:
        (out / "ablation.json").write_text(json.dumps(ablation_record(table), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot write in {out}: {error.strerror or error}") from error
    depths = sorted({row.k for row in table.rows if row.k})
    dual = next(row.mrr for row in table.rows if not row.k)
    lines = {"dual": [Point(depth, dual) for depth in depths]}
    for row in table.rows:
        if row.k:
            lines.setdefault(row.name, []).append(Point(row.k, row.mrr))
    chart = line_chart(f"{table.dataset}: {table.queries} queries", "k", "MRR", lines)
    write_chart(out / "ablation.k.svg", chart)


def ablation_record(table: AblationTable) -> dict[str, Any]:
    """`{"dataset", "queries", "stages"}` with a stage a configuration, named with its k."""
    stages: dict[str, Any] = {}
    for row in table.rows:
        name = f"{row.name}, k {row.k}" if row.k else row.name
        stages[name] = {
            "MRR": round(row.mrr, 5),
            "intervals": {"MRR": [round(value, 5) for value in row.interval]},
            "M": row.negatives,
            "lambda": row.lambda_,
        }
        if row.against is not None:
            stages[name]["against"] = {"stage": "dual", "MRR": {"mean": round(row.against.mean, 5), "p": row.against.p}}
    return {"dataset": table.dataset, "queries": table.queries, "stages": stages}
