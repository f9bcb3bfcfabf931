"""Fits what the ranker's logit adds to the first stage's score, to pools recorded with `pools.py --ranked N`.

    python tests/benchmarks/fit_ranker.py POOLS.npz ... --blend blend.json [--depth N] [--plot FILE]
        [--write | --keep]

Five numbers on a grid: the weight where a query asks for a function, for a component, for a symbol that nothing has the
very name of, the share that a terse query keeps of it, and the weight where a query reads like documentation. The first
stage's weights stay: fitting all of them again to the reranked pools did worse on what was held out (LOG.md). The mean
over the sets decides; the held-out figures are of numbers chosen without the query's language or repository. The plot
shows what each stage adds to the one before.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fit_blend import Recorded, load, loss_of, measured, score, write_blend

from codeseek.cascade import DEFINITION
from codeseek.evaluate.plot import Point, line_chart, write_chart
from codeseek.retrievers.fusion import order_without_crowding
from codeseek.retrievers.query import parse_query
from codeseek.retrievers.signals import SIGNALS, weigh

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
TERSE = (0.0, 0.33, 1.0)
RESAMPLES = 5_000
STAGES = {"words": "words", "vectors": "vectors", "ranks": "both, by rank"}
TITLES = {"repos_dev": "files, nDCG@10", "dev": "functions, MRR@10", "own": "functions by documentation, MRR@10"}
LABELS = {"first stage": "+ rules", "reranked": "+ ranker"}


class Numbers(NamedTuple):
    words: float
    components: float
    symbol: float
    terse: float
    described: float


def numbers_of(blend: dict) -> Numbers:
    """Those that a blend was written with."""
    by_kind = [blend[f"{kind}_reranked"]["ranker"] for kind in ("words", "components", "symbol")]
    return Numbers(*by_kind, blend["terse"], blend["described"])


def first_scores(record: Recorded, blend: dict) -> np.ndarray:
    """[P] as `Blend.weights` gives them."""

    def of(kind: str) -> np.ndarray:
        return np.array([blend[kind].get(name, 0.0) for name in SIGNALS], np.float32)

    if record.symbol:
        return weigh(record.signals, of("symbol"))
    return weigh(record.signals, (1 - record.component) * of("words") + record.component * of("components"))


def weight_of(record: Recorded, terse: bool, numbers: Numbers) -> float:
    """As `Blend.weights_reranked` and `cascade.rank_pool` give it."""
    if record.symbol:
        return 0.0 if record.signals[:, DEFINITION].max(initial=0.0) >= 1.0 else numbers.symbol
    weight = (1 - record.component) * numbers.words + record.component * numbers.components
    weight *= numbers.terse if terse else 1.0
    return (1 - record.description) * weight + record.description * numbers.described


def stage_scores(record: Recorded, stage: str) -> np.ndarray:
    """[P] of the pool by words alone, by vectors alone, or by the ranks in both; no rules."""
    lexical, lexical_rank, dense_rank, cosine = (
        record.signals[:, SIGNALS.index(name)] for name in ("lexical", "lexical_rank", "dense_rank", "cosine")
    )
    by_stage = {"words": lexical, "vectors": np.where(dense_rank > 0, cosine, -1.0), "ranks": lexical_rank + dense_rank}
    return by_stage[stage]


def stage_value(record: Recorded, stage: str) -> float:
    rows = np.array([row for row, _ in order_without_crowding(stage_scores(record, stage), record.files, 0.0)], int)
    return measured(record, rows)


class Measure:
    """The value of each query at a weight, computed once."""

    def __init__(self, records: list[Recorded], blend: dict, depth: int) -> None:
        self.records = records
        self.terse = [parse_query(record.query).is_terse for record in records]
        self._blend = blend
        self._depth = depth
        self._known: list[dict[float, float]] = [{} for _ in records]

    def values(self, numbers: Numbers | None) -> np.ndarray:
        """[Q] nDCG@10 or reciprocal rank; None leaves the ranker out."""
        return np.array([self._value(at, numbers) for at in range(len(self.records))])

    def _value(self, at: int, numbers: Numbers | None) -> float:
        record = self.records[at]
        weight = 0.0 if numbers is None else round(weight_of(record, self.terse[at], numbers), 2)
        if weight not in self._known[at]:
            self._known[at][weight] = self._measured(record, weight)
        return self._known[at][weight]

    def _measured(self, record: Recorded, weight: float) -> float:
        """As `cascade.rank_pool` orders."""
        scores = first_scores(record, self._blend)
        crowding = loss_of(record, self._blend["crowding"])
        ordered = [row for row, _ in order_without_crowding(scores, record.files, crowding)]
        if weight:
            # Pools recorded under other weights lack the logits of a few.
            read = [row for row in ordered if np.isfinite(record.logits[row])][: self._depth]
            blended = scores[read] + weight * record.logits[read]
            first = order_without_crowding(blended, [record.files[row] for row in read], crowding)
            ordered = [read[place] for place, _ in first] + [row for row in ordered if row not in set(read)]
        return measured(record, np.array(ordered, int))


def choose(measure: Measure, taken: Callable[[Recorded], bool]) -> Numbers:
    """The numbers with the best mean over the sets, among the queries taken."""
    mask = np.array([taken(record) for record in measure.records])
    sets = np.array([record.set_name for record in measure.records])

    def mean(numbers: Numbers) -> float:
        values = measure.values(numbers)
        return float(np.mean([values[mask & (sets == name)].mean() for name in sorted(set(sets[mask]))]))

    best = Numbers(0.2, 0.2, 0.1, 1.0, 0.2)
    for _ in range(2):
        worded = [best._replace(words=w, components=c, terse=t) for w, c, t in product(WEIGHTS, WEIGHTS, TERSE)]
        best = max(worded, key=mean)
        for name in ("symbol", "described"):
            best = max((best._replace(**{name: weight}) for weight in WEIGHTS), key=mean)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", type=Path, nargs="+")
    parser.add_argument("--blend", type=Path, required=True)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="an SVG of the stages")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="put the weights into the blend")
    action.add_argument("--keep", action="store_true", help="measure the numbers that the blend has")
    args = parser.parse_args()
    blend = json.loads(args.blend.read_text())
    records = [record for path in args.pools for record in load(path, blend) if record.targets]
    measure = Measure(records, blend, args.depth)
    chosen = numbers_of(blend) if args.keep else choose(measure, lambda record: True)
    print(chosen)
    base = measure.values(None)
    reranked = {"reranked": measure.values(chosen)}
    if not args.keep:
        by_fold = {fold: choose(measure, lambda r, fold=fold: r.fold != fold) for fold in {r.fold for r in records}}
        held_out = [measure._value(at, by_fold[record.fold]) for at, record in enumerate(records)]
        reranked["reranked, held out"] = np.array(held_out)
    draws = np.random.default_rng(0)
    lines: dict[str, list[Point]] = {}
    for name in dict.fromkeys(record.set_name for record in records):
        part = [at for at, record in enumerate(records) if record.set_name == name]
        chosen_records = [records[at] for at in part]
        line = lines.setdefault(TITLES.get(name, name), [])
        for stage, label in STAGES.items():
            mean = float(np.mean([stage_value(record, stage) for record in chosen_records]))
            line.append(Point(len(line) + 1, mean, label))
            print(f"{name} {stage} {mean:.4f}")
        for label, values in {"first stage": base, **reranked}.items():
            mean, groups = score(chosen_records, list(values[part]))
            if label in LABELS:
                line.append(Point(len(line) + 1, mean, LABELS[label]))
            gain = values[part] - base[part]
            low, high = np.percentile(
                [gain[draws.integers(0, len(gain), len(gain))].mean() for _ in range(RESAMPLES)], [2.5, 97.5]
            )
            print(
                f"{name} {label} {mean:.4f} ({gain.mean():+.4f}, 95 % {low:+.4f} to {high:+.4f}): "
                + "  ".join(f"{group} {value:.3f}" for group, value in groups.items())
            )
    if args.plot:
        title = f"What each stage adds: {', '.join(lines)}"
        write_chart(args.plot, line_chart(title, "stage", "quality", lines))
    if args.write:
        for kind in ("words", "components", "symbol"):
            blend[f"{kind}_reranked"] = blend[kind] | {"ranker": getattr(chosen, kind)}
        blend |= {"terse": chosen.terse, "described": chosen.described}
        write_blend(args.blend, blend)


if __name__ == "__main__":
    main()
