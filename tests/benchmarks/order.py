"""Whether R2PS's order comes out: the dual-encoder < reranked by a ranker of in-batch negatives < by one of PS.

    codeseek mine CHECKOUTS... --out mined --kinds documentation --no-vectors --max-chunks 1500 --max-pairs 260
    codeseek train cross ... --source in-batch --out runs/rr
    codeseek train cross ... --source ps --dual DUAL --dual-at-home --out runs/ps
    python tests/benchmarks/order.py mined/dev --dual DUAL --rankers rr=runs/rr ps=runs/ps [--queries N]
        [--max-functions N] [--depths K ...] [--curve 7000=runs/ps_7000 ...]

The repositories of `mined/dev` were not trained on. Each query is answered in its own repository: the dual-encoder
ranks every function, and each ranker rescores the first K. `alone` is the ranker's order, `blended` adds its logit to
the cosine with the weight that is best on the other half of the repositories. MRR at 10; intervals and differences by
bootstrap over queries, in pairs. `--curve` names rankers by the pairs that they saw, for a line each.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codeseek.encoders import LazyEncoder
from codeseek.rankers import LazyRanker

WEIGHTS = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.5)
RESAMPLES = 10_000


@dataclass
class Pools:
    """Q queries: [Q, K] cosines, whether relevant, logits by ranker, and the repository of each."""

    cosines: np.ndarray
    relevant: np.ndarray
    logits: dict[str, np.ndarray]
    repositories: np.ndarray


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def thin_out(documents: list[dict], wanted: set[str], most: int) -> list[dict]:
    """The documents that a query wants, and others drawn evenly up to `most`; 0 for all."""
    if not most:
        return documents
    targets = [document for document in documents if document["document_id"] in wanted]
    others = [document for document in documents if document["document_id"] not in wanted]
    drawn = np.random.default_rng(0).permutation(len(others))[: max(0, most - len(targets))]
    return targets + [others[at] for at in drawn]


def build_pools(mined: Path, dual: str, rankers: dict[str, str], queries: int, depth: int, most: int) -> Pools:
    documents: dict[str, list[dict]] = defaultdict(list)
    for document in read_lines(mined / "documents.jsonl"):
        documents[document["repository"]].append(document)
    pairs = read_lines(mined / "pairs.jsonl")
    wanted = {pair["document_id"] for pair in pairs}
    drawn = np.random.default_rng(0).permutation(len(pairs))[:queries] if queries else np.arange(len(pairs))
    by_repository: dict[str, list[dict]] = defaultdict(list)
    for row in sorted(drawn.tolist()):
        by_repository[pairs[row]["repository"]].append(pairs[row])
    encoder = LazyEncoder(dual, "auto")
    readers = {name: LazyRanker(folder, "auto") for name, folder in rankers.items()}
    cosines, relevant, homes = [], [], []
    logits: dict[str, list[np.ndarray]] = defaultdict(list)
    for repository, asked in by_repository.items():
        kept = thin_out(documents[repository], wanted, most)
        texts = [document["text"] for document in kept]
        names = [document["document_id"] for document in kept]
        product = encoder.encode_queries([pair["query"] for pair in asked]) @ encoder.encode_documents(texts).T
        for pair, scores in zip(asked, product, strict=True):
            best = np.argsort(-scores, kind="stable")[:depth]
            if len(best) < depth:
                continue
            cosines.append(scores[best])
            relevant.append([names[row] == pair["document_id"] or texts[row] == pair["document"] for row in best])
            homes.append(repository)
            for name, reader in readers.items():
                logits[name].append(reader.rank(pair["query"], [texts[row] for row in best]))
        print(f"{repository}: {len(asked)} queries, {len(texts)} functions", flush=True)
    return Pools(
        np.array(cosines), np.array(relevant), {name: np.array(rows) for name, rows in logits.items()}, np.array(homes)
    )


def reciprocal_ranks(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """[Q]; 0 beyond rank 10."""
    ranked = np.take_along_axis(relevant, np.argsort(-scores, axis=1, kind="stable"), axis=1)[:, :10]
    return np.where(ranked.any(axis=1), 1.0 / (ranked.argmax(axis=1) + 1), 0.0)


def rescored(pools: Pools, name: str, depth: int, weight: float | None) -> np.ndarray:
    """Reciprocal ranks of the pools with the first `depth` rescored; weight None for the ranker alone."""
    scores = pools.cosines - 1e3
    logits = pools.logits[name][:, :depth]
    scores[:, :depth] = logits if weight is None else pools.cosines[:, :depth] + weight * logits
    return reciprocal_ranks(scores, pools.relevant)


def blended(pools: Pools, name: str, depth: int) -> np.ndarray:
    """Each half of the repositories with the weight that is best on the other half."""
    homes = sorted(set(pools.repositories))
    first = np.isin(pools.repositories, homes[::2])
    by_weight = np.array([rescored(pools, name, depth, weight) for weight in WEIGHTS])
    chosen_first = by_weight[by_weight[:, ~first].mean(axis=1).argmax()]
    chosen_second = by_weight[by_weight[:, first].mean(axis=1).argmax()]
    return np.where(first, chosen_first, chosen_second)


def interval(values: np.ndarray) -> tuple[float, float]:
    draws = np.random.default_rng(0)
    means = [values[draws.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mined", type=Path)
    parser.add_argument("--dual", required=True)
    parser.add_argument("--rankers", nargs="+", required=True, metavar="NAME=DIR", help="weakest expected first")
    parser.add_argument("--curve", nargs="+", default=[], metavar="PAIRS=DIR")
    parser.add_argument("--queries", type=int, default=0, help="drawn from all; 0 for all")
    parser.add_argument("--max-functions", type=int, default=0, help="of a repository; 0 for all")
    parser.add_argument("--depths", type=int, nargs="+", default=[10, 20, 50])
    args = parser.parse_args()
    rankers = dict(entry.split("=", 1) for entry in args.rankers)
    curve = dict(entry.split("=", 1) for entry in args.curve)
    pools = build_pools(args.mined, args.dual, rankers | curve, args.queries, max(args.depths), args.max_functions)
    recall = "  ".join(f"@{depth} {pools.relevant[:, :depth].any(axis=1).mean():.3f}" for depth in args.depths)
    print(f"{len(pools.cosines)} queries of {len(set(pools.repositories))} repositories; recall {recall}")
    dual = reciprocal_ranks(pools.cosines, pools.relevant)
    print(f"dual {dual.mean():.4f} ({interval(dual)[0]:.4f} to {interval(dual)[1]:.4f})")
    for depth in args.depths:
        for way in ("alone", "blended"):
            before, before_name = dual, "dual"
            for name in rankers:
                values = rescored(pools, name, depth, None) if way == "alone" else blended(pools, name, depth)
                low, high = interval(values - before)
                print(
                    f"top {depth} {way} {name} {values.mean():.4f}, over {before_name} "
                    f"{(values - before).mean():+.4f} ({low:+.4f} to {high:+.4f})"
                )
                before, before_name = values, name
    for name in curve:
        line = "  ".join(
            f"top {depth} alone {rescored(pools, name, depth, None).mean():.4f} blended "
            f"{blended(pools, name, depth).mean():.4f}"
            for depth in args.depths
        )
        print(f"after {name} pairs: {line}")


if __name__ == "__main__":
    main()
