"""The curves by which `codeseek/indexes/hnsw.py` and `quantised.py` were chosen: what the graph misses, and the codes.

    python tests/benchmarks/hnsw_recall.py VECTORS.npy
    python tests/benchmarks/hnsw_recall.py "$CODESEEK_CACHE_DIR"/vectors/ENCODER.sqlite --axes 96 128 --ef 256 512

Queries are rows left out of the graph: a sample of the corpus, so near its density, as `codeseek similar` asks. The
graph's recall is against exact search over the same codes; that of the codes against float32, or float16 where a store
of format 1 is given as an array.
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
from codeseek.indexes.quantised import quantise, widen
from codeseek.stores.vectors import VectorStore

DEPTH = 50
QUERIES = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path, help="[N, D] rows as .npy, or a vector store")
    parser.add_argument("--rows", type=int, help="at most so many")
    parser.add_argument("--m", type=int, nargs="+", default=[hnsw.M])
    parser.add_argument("--axes", type=int, nargs="+", default=[hnsw.AXES])
    parser.add_argument("--ef", type=int, nargs="+", default=[128, 256, 512, 1024])
    parser.add_argument("--ef-construction", type=int, nargs="+", default=[hnsw.EF_CONSTRUCTION])
    arguments = parser.parse_args()
    vectors = load(arguments.vectors)
    order = np.random.default_rng(0).permutation(len(vectors))[: (arguments.rows or len(vectors)) + QUERIES]
    queries, vectors = vectors[order[:QUERIES]], vectors[order[QUERIES:]]
    records = quantise(vectors)
    exact = [best(records, query) for query in queries]
    sys.stdout.write(f"{len(records)} rows of {vectors.shape[1]}, {QUERIES} queries, recall@{DEPTH}\n")
    compare_codes(vectors, records, queries, exact)
    for axes in arguments.axes:
        for m in arguments.m:
            for ef_construction in arguments.ef_construction:
                hnsw.M, hnsw.AXES, hnsw.EF_CONSTRUCTION = m, axes, ef_construction
                measure(records, queries, exact, arguments.ef)


def load(path: Path) -> np.ndarray:
    """Distinct unit rows, [N, D] float32."""
    if path.suffix == ".npy":
        vectors = np.asarray(np.load(path), np.float32)
    else:
        with VectorStore(path, read_only=True) as store:
            vectors = widen(store.records())
    vectors = np.unique(vectors, axis=0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def best(records: np.ndarray, query: np.ndarray) -> set[int]:
    rows = top_rows(records, query, DEPTH)
    return set(rows[np.argsort(-(widen(records[rows]) @ query), kind="stable")][:DEPTH].tolist())


def compare_codes(vectors: np.ndarray, records: np.ndarray, queries: np.ndarray, exact: list[set[int]]) -> None:
    """Cosines by codes of a byte against those of the vectors given."""
    overlap, worst, total = [], 0.0, 0.0
    for query, found in zip(queries, exact, strict=True):
        cosines = vectors @ query
        overlap.append(len(found & set(np.argsort(-cosines, kind="stable")[:DEPTH].tolist())) / DEPTH)
        errors = np.abs(widen(records) @ query - cosines) if len(overlap) <= 20 else np.zeros(1)
        worst, total = max(worst, float(errors.max())), total + float(errors.mean())
    sys.stdout.write(
        f"codes: {np.mean(overlap):.4f} of the top {DEPTH} the same, "
        f"cosines differ by {total / 20:.5f} in the mean and at most {worst:.4f}\n"
    )


def measure(records: np.ndarray, queries: np.ndarray, exact: list[set[int]], efs: list[int]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        start = time.process_time()
        hnsw.build_graph(records, np.arange(len(records)), folder)
        built_s = time.process_time() - start
        graph = hnsw.load_graph(folder, len(records), queries.shape[1])
        size_mb = (folder / "graph.hnsw").stat().st_size / 1e6
    for ef in efs:
        hnsw.EF_SEARCH = ef
        start = time.process_time()
        found = [graph.nearest(query, DEPTH) for query in queries]
        query_ms = (time.process_time() - start) / len(queries) * 1000
        hits = [len(want & set(rows.tolist())) for want, rows in zip(exact, found, strict=True) if rows is not None]
        recall = np.sum(hits) / DEPTH / len(exact)
        sys.stdout.write(
            f"M {hnsw.M:2} axes {hnsw.AXES:3} ef_construction {hnsw.EF_CONSTRUCTION:3} ef {ef:4}: recall {recall:.4f}, "
            f"{query_ms:.2f} ms a query, built in {built_s:.1f} s CPU, {size_mb:.0f} MB\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
