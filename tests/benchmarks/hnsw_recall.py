"""The curve by which the constants of `codeseek/indexes/hnsw.py` were chosen: recall@50 against exact search, by ef.

    python tests/benchmarks/hnsw_recall.py VECTORS.npy
    python tests/benchmarks/hnsw_recall.py "$CODESEEK_CACHE_DIR"/indexes/NAME-HASH/dense/ENCODER/000001/vectors.npy

Queries are rows left out of the graph: a sample of the corpus, so near its density, as `codeseek similar` asks.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from codeseek.indexes import hnsw
from codeseek.indexes.exact import top_rows

DEPTH = 50
QUERIES = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path, help="[N, D] unit rows")
    parser.add_argument("--m", type=int, nargs="+", default=[hnsw.M])
    parser.add_argument("--ef-construction", type=int, nargs="+", default=[hnsw.EF_CONSTRUCTION])
    arguments = parser.parse_args()
    vectors = np.unique(np.asarray(np.load(arguments.vectors), np.float32), axis=0)
    order = np.random.default_rng(0).permutation(len(vectors))
    queries, vectors = vectors[order[:QUERIES]], np.ascontiguousarray(vectors[order[QUERIES:]])
    exact = [best(vectors, query) for query in queries]
    sys.stdout.write(f"{len(vectors)} rows of {vectors.shape[1]}, {QUERIES} queries, recall@{DEPTH}\n")
    for m in arguments.m:
        for ef_construction in arguments.ef_construction:
            hnsw.M, hnsw.EF_CONSTRUCTION = m, ef_construction
            measure(vectors, queries, exact)


def best(vectors: np.ndarray, query: np.ndarray) -> set[int]:
    rows = top_rows(vectors, query, DEPTH)
    return set(rows[np.argsort(-(vectors[rows] @ query), kind="stable")][:DEPTH].tolist())


def measure(vectors: np.ndarray, queries: np.ndarray, exact: list[set[int]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.hnsw"
        start = time.process_time()
        hnsw.build_graph(vectors, path)
        built_s = time.process_time() - start
        graph = hnsw.load_graph(path, len(vectors), vectors.shape[1])
        size_mb = path.stat().st_size / 1e6
    for ef in (50, 100, 200, 256, 400, 800):
        hnsw.EF_SEARCH = ef
        start = time.process_time()
        found = [graph.nearest(query, DEPTH) for query in queries]
        query_ms = (time.process_time() - start) / len(queries) * 1000
        hits = [len(want & set(rows.tolist())) for want, rows in zip(exact, found, strict=True) if rows is not None]
        recall = np.sum(hits) / DEPTH / len(exact)
        sys.stdout.write(
            f"M {hnsw.M:2} ef_construction {hnsw.EF_CONSTRUCTION:3} ef {ef:3}: recall {recall:.4f}, "
            f"{query_ms:.2f} ms a query, built in {built_s:.1f} s CPU, {size_mb:.0f} MB\n"
        )


if __name__ == "__main__":
    main()
