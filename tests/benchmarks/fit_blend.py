"""Fits the weights of the first stage to recorded pools (`pools.py`); `fit_ranker.py` adds the ranker to them.

`fit_network.py` comes before, on top of weights that were fitted `--without learned`.

    python tests/benchmarks/fit_blend.py POOLS.npz ... [--without SIGNAL ...] [--ablate] [--folds]
        --blend blend.json [--write]

The pools of repos_dev are in a file of that name.

Loss: for each query, -log of the softmax mass on the candidates that answer it, plus a quadratic prior at zero; each
set weighs the same, so that neither files nor functions decide alone. Where files answer, only the best candidate of
each file takes part, since crowding leaves no more of it. Symbol look-ups have weights of their own; those of a worded
query lie between two sets, by the probability that it asks for a component (`fit_intent.py` comes first). Reported
figures are leave-one-language-out (repos_dev) and leave-one-repository-out (questions): no query is scored by weights
that saw its language or repository. The three crowdings are then chosen on a grid.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from codeseek.retrievers.fusion import order_without_crowding
from codeseek.retrievers.intent import word_probability
from codeseek.retrievers.network import parse_network
from codeseek.retrievers.path_prior import path_prior
from codeseek.retrievers.signals import SIGNALS

LEARNED, PATH = SIGNALS.index("learned"), SIGNALS.index("path")
PRIOR = 0.3  # in nats for a weight of 1, against the sum of all losses per 100 queries
FILE_ROUNDS = 2
CROWDINGS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 4.0)


Results = dict[str, tuple[float, dict[str, float]]]


@dataclass
class Recorded:
    set_name: str
    repository: str
    fold: str
    group: str
    query: str
    targets: int
    symbol: bool
    signals: np.ndarray
    covered: np.ndarray
    files: np.ndarray
    logits: np.ndarray
    paths: np.ndarray
    component: float
    description: float


def load(path: Path, blend: dict) -> list[Recorded]:
    """The recorded queries; `learned`, `path` and the kinds of query are made anew by the blend's weights."""
    stored = np.load(path)
    network = parse_network(blend["network"], SIGNALS) if "network" in blend else None
    columns = [SIGNALS.index(name) for name in network.signals] if network else []
    records = []
    for number, (repository, fold, group, query, targets, symbol, _) in enumerate(json.loads(str(stored["queries"]))):
        field = {name: stored[f"{number}/{name}"] for name in ("signals", "covered", "files", "logits", "paths")}
        kinds = ["intent", "description"]
        component, description = (0.0 if symbol else word_probability(query, blend.get(kind, {})) for kind in kinds)
        signals = field["signals"]
        made = network is not None and not symbol
        signals[:, LEARNED] = network(signals[:, columns], (component, description)) if made else 0.0
        priors = np.array([path_prior(name, blend.get("paths", {})) for name in field["paths"]], np.float32)
        signals[:, PATH] = priors[field["files"]]
        records.append(
            Recorded(
                path.stem,
                repository,
                fold,
                group,
                query,
                targets,
                symbol,
                component=component,
                description=description,
                **field,
            )
        )
    return records


def features(record: Recorded, names: list[str]) -> np.ndarray:
    columns = record.signals[:, [SIGNALS.index(name) for name in names]]
    if record.symbol:
        return columns
    # The network learned from questions for functions: where files answer it costs 0.004 nDCG@10 (LOG.md).
    without_learned = np.where([name == "learned" for name in names], 0.0, columns)
    return np.column_stack([(1 - record.component) * columns, record.component * without_learned])


def fit(records: list[Recorded], names: list[str], prior: float) -> np.ndarray:
    """Weights for queries of one kind: [len(names)] for symbols, those for functions and for components for words."""
    weights = minimise(records, names, prior)
    for _ in range(FILE_ROUNDS):
        kept = [best_of_files(r, weights, names) if r.set_name == "repos_dev" else r for r in records]
        weights = minimise(kept, names, prior)
    return weights


def best_of_files(record: Recorded, weights: np.ndarray, names: list[str]) -> Recorded:
    best: dict[int, int] = {}
    for row in order(record, weights, names, 0.0):
        best.setdefault(int(record.files[row]), int(row))
    rows = np.array(sorted(best.values()), dtype=int)
    parts = {name: getattr(record, name)[rows] for name in ("signals", "covered", "files", "logits")}
    return replace(record, **parts)


def minimise(records: list[Recorded], names: list[str], prior: float) -> np.ndarray:
    sizes: dict[str, int] = {}
    for record in records:
        sizes[record.set_name] = sizes.get(record.set_name, 0) + 1
    problems = []
    for record in records:
        relevant = record.covered.any(axis=1)
        if relevant.any() and not relevant.all():
            problems.append((features(record, names), relevant, 1 / sizes[record.set_name]))
    total = sum(weight for *_, weight in problems)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = 0.0, np.zeros_like(weights)
        for matrix, relevant, share in problems:
            scores = matrix @ weights
            scores -= scores.max()
            exponents = np.exp(scores)
            mass, hit = exponents.sum(), exponents[relevant].sum() + 1e-30
            value += share * (math.log(mass) - math.log(hit))
            gradient += share * ((exponents @ matrix) / mass - (exponents[relevant] @ matrix[relevant]) / hit)
        return value / total + prior / 100 * weights @ weights, gradient / total + prior / 50 * weights

    width = problems[0][0].shape[1]
    return minimize(loss, np.zeros(width), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x


def loss_of(record: Recorded, crowding: dict[str, float]) -> float:
    if record.symbol:
        return crowding["symbol"]
    return (1 - record.component) * crowding["words"] + record.component * crowding["components"]


def order(record: Recorded, weights: np.ndarray, names: list[str], crowding: float) -> np.ndarray:
    scores = features(record, names) @ weights
    return np.array([row for row, _ in order_without_crowding(scores, record.files, crowding)], dtype=int)


def ndcg(record: Recorded, rows: np.ndarray) -> float:
    gains = np.zeros(10)
    for target in record.covered.T:
        found = np.flatnonzero(target[rows[:10]])
        if len(found):
            gains[found[0]] = 1.0
    ideal = sum(1 / math.log2(place + 2) for place in range(min(10, record.targets)))
    return float(sum(gain / math.log2(place + 2) for place, gain in enumerate(gains)) / ideal)


def reciprocal_rank(record: Recorded, rows: np.ndarray) -> float:
    found = np.flatnonzero(record.covered[rows[:10]].any(axis=1))
    return 1 / (found[0] + 1) if len(found) else 0.0


def measured(record: Recorded, rows: np.ndarray) -> float:
    """nDCG@10 where files answer, the reciprocal rank within 10 where functions do."""
    return (ndcg if record.set_name == "repos_dev" else reciprocal_rank)(record, rows)


def score(records: list[Recorded], values: list[float]) -> tuple[float, dict[str, float]]:
    """Macro mean over repositories (repos_dev) or mean over queries, and the mean by group."""
    groups: dict[str, list[float]] = {}
    repositories: dict[str, list[float]] = {}
    for record, value in zip(records, values, strict=True):
        groups.setdefault(record.group, []).append(value)
        repositories.setdefault(record.repository, []).append(value)
    macro = float(np.mean([np.mean(part) for part in repositories.values()]))
    mean = macro if records[0].set_name == "repos_dev" else float(np.mean(values))
    return mean, {name: float(np.mean(part)) for name, part in sorted(groups.items())}


class Weights:
    """Fitted by fold, so that each query is scored by weights that did not see its fold; fold None is all of them."""

    def __init__(self, records: list[Recorded], names: list[str], prior: float, folds: bool) -> None:
        self.names = names
        wanted = [None, *sorted({record.fold for record in records})] if folds else [None]
        self.fitted = {
            (fold, symbol): fit([r for r in records if r.symbol == symbol and r.fold != fold], names, prior)
            for fold in wanted
            for symbol in (False, True)
        }

    def of(self, record: Recorded, held_out: bool) -> np.ndarray:
        return self.fitted[record.fold if held_out else None, record.symbol]

    def values(self, records: list[Recorded], crowding: dict[str, float], held_out: bool) -> list[float]:
        return [measured(r, order(r, self.of(r, held_out), self.names, loss_of(r, crowding))) for r in records]

    def evaluate(self, records: list[Recorded], crowding: dict[str, float], held_out: bool) -> Results:
        out = {}
        for name in dict.fromkeys(record.set_name for record in records):
            part = [record for record in records if record.set_name == name]
            out[name] = score(part, self.values(part, crowding, held_out))
        return out

    def best_crowding(self, records: list[Recorded], held_out: bool) -> dict[str, float]:
        """One after the other, by the mean of the sets' means."""
        chosen = {"words": 0.3, "components": 2.0, "symbol": 1.0}
        for name in chosen:
            means = {}
            for value in CROWDINGS:
                results = self.evaluate(records, chosen | {name: value}, held_out)
                means[value] = float(np.mean([mean for mean, _ in results.values()]))
            chosen[name] = max(means, key=lambda value: means[value])
            print(f"crowding of {name}: " + "  ".join(f"{value} {mean:.4f}" for value, mean in means.items()))
        return chosen


def write_blend(path: Path, blend: dict) -> None:
    """One number a line, as differences between versions are read, and one row of the network's layers a line."""
    text = json.dumps(blend, indent=1)
    path.write_text(re.sub(r"\[[^\[\]{}]*\]", lambda row: " ".join(row[0].split()), text) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", type=Path, nargs="+")
    parser.add_argument("--without", nargs="*", default=[], help="signals to leave out")
    parser.add_argument("--prior", type=float, default=PRIOR)
    parser.add_argument("--folds", action="store_true", help="fit once a fold and report what was held out")
    parser.add_argument("--ablate", action="store_true", help="refit without each signal in turn")
    parser.add_argument("--blend", type=Path, required=True, help="holds the intent's weights")
    parser.add_argument("--write", action="store_true", help="put the weights into it")
    args = parser.parse_args()
    blend = json.loads(args.blend.read_text())
    records = [record for path in args.pools for record in load(path, blend) if record.targets]
    names = [name for name in SIGNALS if name not in args.without]
    for name in dict.fromkeys(record.set_name for record in records):
        part = [record for record in records if record.set_name == name]
        print(f"{name}: {len(part)} queries, pool holds an answer for {np.mean([r.covered.any() for r in part]):.3f}")
    weights = Weights(records, names, args.prior, args.folds)
    crowding = weights.best_crowding(records, args.folds)
    for name, (mean, groups) in weights.evaluate(records, crowding, args.folds).items():
        print(f"{name} {mean:.4f} at {crowding}: " + "  ".join(f"{k} {v:.3f}" for k, v in groups.items()))
    words = weights.fitted[None, False]
    fitted = {"words": words[: len(names)], "components": words[len(names) :], "symbol": weights.fitted[None, True]}
    for kind, values in fitted.items():
        print(kind, {n: round(float(w), 2) for n, w in zip(names, values, strict=True)})
    if args.ablate:
        for left_out in names:
            fewer = [name for name in names if name != left_out]
            refitted = Weights(records, fewer, args.prior, args.folds)
            results = refitted.evaluate(records, crowding, args.folds)
            print(f"without {left_out:14}: " + "  ".join(f"{name} {mean:.4f}" for name, (mean, _) in results.items()))
    if args.write:
        for kind, values in fitted.items():
            blend[kind] = {n: round(float(w), 4) for n, w in zip(names, values, strict=True)}
        blend["crowding"] = crowding
        write_blend(args.blend, blend)


if __name__ == "__main__":
    main()
