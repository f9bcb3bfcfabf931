"""Fits the weights behind the signal `path` to pools of queries for components, on top of the other signals.

    python tests/benchmarks/fit_paths.py POOLS.npz ... --blend blend.json [--judge repos_dev.npz] [--write]

POOLS.npz come from `pools.py components`. Loss: for each worded query, -log of the softmax mass on the files that
answer it, each with the score of its best candidate, and a quadratic prior at zero. Features that stand for tests and
examples are left out: other signals know these, and whether they are asked for. `fit_blend.py` then gives `path` its
weights. --judge prints what it does to other pools at a weight of 1 for components, before any refit.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
from fit_blend import Recorded, load, write_blend
from fit_ranker import Measure, first_scores
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from codeseek.retrievers.path_prior import path_features

MIN_REPOSITORIES = 8
PRIOR = 8.0
TOP_FILES = 40
DIGITS = 3
OTHERS_KNOW = re.compile(r"(stem|folder):(tests?|specs?|testing|mocks?|examples?|samples?|demos?|docs?|bench\w*)")


def best_of_files(record: Recorded, scores: np.ndarray) -> list[tuple[int, int]]:
    """The best files with the row of their best candidate."""
    best: dict[int, int] = {}
    for row in np.argsort(-scores, kind="stable"):
        best.setdefault(int(record.files[row]), int(row))
    return list(best.items())[:TOP_FILES]


def known_features(records: list[Recorded]) -> dict[str, int]:
    """The features of the files that enough repositories hold, with their columns."""
    where: dict[str, set[str]] = {}
    for record in records:
        for path in record.paths:
            for feature in path_features(str(path)):
                where.setdefault(feature, set()).add(record.repository)
    kept = (f for f, found in where.items() if len(found) >= MIN_REPOSITORIES and not OTHERS_KNOW.fullmatch(f))
    return {feature: column for column, feature in enumerate(sorted(kept))}


def fit(records: list[Recorded], blend: dict) -> dict[str, float]:
    columns = known_features(records)
    rows, places, values, scores, owners, relevant = [], [], [], [], [], []
    for number, record in enumerate(records):
        first = first_scores(record, blend)
        for file, row in best_of_files(record, first):
            for feature in path_features(str(record.paths[file])):
                if feature in columns:
                    rows.append(len(scores))
                    places.append(columns[feature])
                    values.append(record.component)
            scores.append(first[row])
            owners.append(number)
            relevant.append(record.covered[record.files == file].any())
    matrix = csr_matrix((values, (rows, places)), shape=(len(scores), len(columns)))
    linear, owner, right = np.array(scores, float), np.array(owners), np.array(relevant)
    answered = (np.bincount(owner, right) > 0)[owner]
    matrix, linear, owner, right = matrix[answered], linear[answered], owner[answered], right[answered]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total = linear + matrix @ weights
        top = np.full(len(records), -np.inf)
        np.maximum.at(top, owner, total)
        exponents = np.exp(total - top[owner])
        mass, hit = np.bincount(owner, exponents), np.bincount(owner, exponents * right)
        present = mass > 0
        value = (np.log(mass[present]) - np.log(hit[present])).sum() + PRIOR * weights @ weights
        error = exponents / mass[owner] - exponents * right / hit[owner]
        return value, matrix.T @ error + 2 * PRIOR * weights

    found = minimize(loss, np.zeros(len(columns)), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    rounded = {feature: round(float(found[column]), DIGITS) for feature, column in columns.items()}
    return {feature: weight for feature, weight in rounded.items() if weight}


def judge(records: list[Recorded], blend: dict, weight: float) -> np.ndarray:
    """[Q] what each query is worth where `path` has that weight for components."""
    weighted = without_path(blend)
    weighted["components"]["path"] = weight
    return Measure(records, weighted, depth=0).values(None)


def without_path(blend: dict) -> dict:
    kinds = ("words", "components", "symbol")
    return blend | {kind: {n: w for n, w in blend[kind].items() if n != "path"} for kind in kinds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", type=Path, nargs="+")
    parser.add_argument("--blend", type=Path, required=True)
    parser.add_argument("--judge", type=Path, nargs="*", default=[])
    parser.add_argument("--write", action="store_true", help="put the weights into the blend")
    args = parser.parse_args()
    blend = json.loads(args.blend.read_text())
    records = [record for path in args.pools for record in load(path, blend) if not record.symbol]
    blend["paths"] = fit(records, without_path(blend))
    ordered = sorted(blend["paths"], key=lambda feature: blend["paths"][feature])
    print(f"{len(records)} queries, {len(ordered)} features")
    print("less:", " ".join(ordered[:30]), "\nmore:", " ".join(ordered[:-31:-1]))
    for path in args.judge:
        judged = [record for record in load(path, blend) if record.targets]
        before, after = judge(judged, blend, 0.0), judge(judged, blend, 1.0)
        gain = after - before
        error = 1.96 * gain.std() / len(gain) ** 0.5
        print(f"{path.stem}: first stage {before.mean():.4f} to {after.mean():.4f}, {gain.mean():+.4f} +- {error:.4f}")
    if args.write:
        write_blend(args.blend, blend)


if __name__ == "__main__":
    main()
