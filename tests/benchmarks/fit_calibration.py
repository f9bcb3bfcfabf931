"""Fits the probability of relevance that a hit's `score` is, and where "no good match" begins.

    python tests/benchmarks/fit_calibration.py POOLS.npz ... --blend blend.json [--reranked] [--write]

Pools are recorded with `pools.py --foreign N` (and `--ranked N` for --reranked): queries of other repositories, which
nothing answers. A logistic function of the final score and of evidence that does not depend on the other candidates,
over the first ten hits of each query; the reliability table and the expected calibration error are of repositories that
the fit did not see.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from fit_blend import Recorded, load, loss_of, write_blend
from fit_ranker import first_scores, numbers_of, weight_of
from scipy.optimize import minimize

from codeseek.retrievers.fusion import order_without_crowding
from codeseek.retrievers.query import parse_query
from codeseek.retrievers.signals import SIGNALS

EVIDENCE = ("cosine", "coverage", "definition", "name_cover")
BINS = 10


def table(
    records: list[Recorded], blend: dict, reranked: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels, fold and query number of the first ten hits of each query."""
    rows, labels, folds, numbers = [], [], [], []
    repositories = {name: place for place, name in enumerate(dict.fromkeys(record.repository for record in records))}
    for number, record in enumerate(records):
        if not len(record.signals):
            continue
        scores, crowding = first_scores(record, blend), loss_of(record, blend["crowding"])
        if reranked:
            weight = weight_of(record, parse_query(record.query).is_terse, numbers_of(blend))
            scores = scores + weight * record.logits  # what was not read is behind the first ten
            scores[np.isnan(scores)] = -np.inf
        top = np.array([row for row, _ in order_without_crowding(scores, record.files, crowding)][:10], int)
        top = top[np.isfinite(scores[top])]
        evidence = record.signals[top][:, [SIGNALS.index(name) for name in EVIDENCE]]
        parts = [scores[top][:, None], evidence]
        if reranked:
            parts.append(record.logits[top][:, None])
        rows.append(np.column_stack(parts))
        labels.append(record.covered[top].any(axis=1) if record.covered.shape[1] else np.zeros(len(top), bool))
        folds.append(np.full(len(top), repositories[record.repository] % 2))
        numbers.append(np.full(len(top), number))
    return np.concatenate(rows), np.concatenate(labels), np.concatenate(folds), np.concatenate(numbers)


def fit(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weights [F + 1], the bias last."""
    matrix = np.column_stack([features, np.ones(len(features))])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = matrix @ weights
        value = np.logaddexp(0, logits).sum() - logits[labels].sum()
        probabilities = 1 / (1 + np.exp(-logits))
        prior = 1e-3 * len(labels)
        gradient = matrix.T @ (probabilities - labels) + prior * weights / 50
        return (value + prior * weights @ weights / 100) / len(labels), gradient / len(labels)

    return minimize(loss, np.zeros(matrix.shape[1]), jac=True, method="L-BFGS-B").x


def probabilities(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(features @ weights[:-1] + weights[-1])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", type=Path, nargs="+")
    parser.add_argument("--blend", type=Path, required=True)
    parser.add_argument("--reranked", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    blend = json.loads(args.blend.read_text())
    records = [record for path in args.pools for record in load(path, blend)]
    features, labels, folds, numbers = table(records, blend, args.reranked)
    held_out = np.empty(len(labels))
    for fold in (0, 1):
        held_out[folds == fold] = probabilities(
            features[folds == fold], fit(features[folds != fold], labels[folds != fold])
        )
    edges = np.minimum((held_out * BINS).astype(int), BINS - 1)
    error = 0.0
    print("predicted  observed  hits")
    for bin_ in range(BINS):
        inside = edges == bin_
        if inside.any():
            error += inside.mean() * abs(held_out[inside].mean() - labels[inside].mean())
            print(f"{held_out[inside].mean():9.3f} {labels[inside].mean():9.3f} {inside.sum():5}")
    print(f"expected calibration error {error:.4f} over {len(labels)} hits of {len(records)} queries, two folds")
    best = np.zeros(len(records))
    np.maximum.at(best, numbers, held_out)
    foreign = np.array([not record.targets for record in records])
    for threshold in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3):
        said = best < threshold
        precision, recall = foreign[said].mean() if said.any() else 0.0, said[foreign].mean()
        print(f"no good match below {threshold:.2f}: precision {precision:.3f} recall {recall:.3f}")
    print(f"share of foreign queries {foreign.mean():.3f}")
    if args.write:
        weights = fit(features, labels)
        names = ["score", *EVIDENCE, *(["ranker"] if args.reranked else []), "bias"]
        key = "calibration_reranked" if args.reranked else "calibration"
        blend[key] = {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)}
        write_blend(args.blend, blend)


if __name__ == "__main__":
    main()
