"""Fits the weights for functions without a repository around them (`Blend.loose`), as published data sets hold them.

    python tests/benchmarks/fit_loose.py cosqa.npz csn99.npz --blend blend.json [--prior X] [--write]

As `fit_blend.py`, to pools recorded with `pools.py cosqa|csn99 --ranked 30`: a listwise softmax over each pool with a
prior at zero, each set weighing the same; no signal that speaks of a path or of neighbours in a file. The ranker's
weight is chosen on a grid, with the first stage's as they are. The held-out figures are of weights that did not see the
query's fold.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from fit_blend import PRIOR, Recorded, load, minimise, reciprocal_rank, write_blend

from codeseek.retrievers.signals import SIGNALS, weigh

NAMES = [
    "lexical", "lexical_rank", "dense", "dense_rank", "cosine", "coverage",
    "definition", "name", "name_cover", "length",
]  # fmt: skip
RANKER = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
DEPTH = 20


def value(record: Recorded, weights: np.ndarray, ranker: float) -> float:
    full = np.zeros(len(SIGNALS), np.float32)
    full[[SIGNALS.index(name) for name in NAMES]] = weights
    scores = weigh(record.signals, full)
    order = np.argsort(-scores, kind="stable")
    read = [row for row in order[:DEPTH] if np.isfinite(record.logits[row])]
    if ranker and read:
        scores[read] += ranker * record.logits[read] + 1e3
    return reciprocal_rank(record, np.argsort(-scores, kind="stable"))


def mean(records: list[Recorded], values: list[float]) -> dict[str, float]:
    sets = dict.fromkeys(record.set_name for record in records)
    return {
        name: float(np.mean([v for r, v in zip(records, values, strict=True) if r.set_name == name])) for name in sets
    }


def best_ranker(records: list[Recorded], weights: np.ndarray) -> float:
    def gain(ranker: float) -> float:
        return float(np.mean(list(mean(records, [value(record, weights, ranker) for record in records]).values())))

    return max(RANKER, key=gain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", type=Path, nargs="+")
    parser.add_argument("--blend", type=Path, required=True)
    parser.add_argument("--prior", type=float, default=PRIOR)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    blend = json.loads(args.blend.read_text())
    records = [record for path in args.pools for record in load(path, {}) if record.targets]
    for record in records:
        record.symbol, record.component = True, 0.0  # one set of weights for all
    fused: list[float] = [0.0] * len(records)
    reranked = list(fused)
    for fold in sorted({record.fold for record in records}):
        rest = [record for record in records if record.fold != fold]
        weights = minimise(rest, NAMES, args.prior)
        ranker = best_ranker(rest, weights)
        for at, record in enumerate(records):
            if record.fold == fold:
                fused[at], reranked[at] = value(record, weights, 0.0), value(record, weights, ranker)
    print("held out, MRR@10: fused", mean(records, fused), "reranked", mean(records, reranked))
    weights = minimise(records, NAMES, args.prior)
    ranker = best_ranker(records, weights)
    fitted = {name: round(float(weight), 4) for name, weight in zip(NAMES, weights, strict=True)}
    print(fitted, "ranker", ranker)
    if args.write:
        blend["loose"], blend["loose_reranked"] = fitted, fitted | {"ranker": ranker}
        write_blend(args.blend, blend)


if __name__ == "__main__":
    main()
