import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.errors import FileError, IndexDamaged
from codeseek.indexes import hnsw
from codeseek.indexes.dense import DenseIndex
from codeseek.indexes.exact import inner_products, rescore, top_rows
from codeseek.indexes.generation import Generation, open_generation, write_generation
from codeseek.indexes.hnsw import Graph, build_graph, load_graph


def unit(count: int, dimension: int = 24, seed: int = 0) -> np.ndarray:
    """Clustered, as vectors of code are."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((12, dimension))
    vectors = centres[random.integers(0, 12, count)] + 0.7 * random.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def by_position(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(len(positions)), positions


def keys_of(count: int) -> np.ndarray:
    return np.array([at.to_bytes(16, "big") for at in range(1, count + 1)], "S16")


def generation(folder: Path, vectors: np.ndarray, *, with_graph: bool) -> Generation:
    numbers = np.arange(len(vectors))
    write_generation(
        folder,
        keys=keys_of(len(vectors)),
        vectors=vectors,
        numbers=numbers,
        rows=numbers,
        with_graph=with_graph,
    )
    return open_generation(folder)


def oracle(vectors: np.ndarray, query: np.ndarray, depth: int, allowed: np.ndarray | None = None) -> list[int]:
    scores = (vectors.astype(np.float64) * query).sum(axis=1).astype(np.float32)
    wanted = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
    return wanted[np.lexsort((wanted, -scores[wanted]))][:depth].tolist()


@pytest.fixture(scope="module")
def graph_of_3000(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, Generation]:
    vectors = unit(3000)
    return vectors, generation(tmp_path_factory.mktemp("dense") / "000001", vectors, with_graph=True)


def test_recall_against_exact(graph_of_3000: tuple[np.ndarray, Generation]) -> None:
    vectors, opened = graph_of_3000
    index = DenseIndex(np.arange(3000, dtype=np.int32), opened, np.empty((0, 1), np.float16), by_position)
    queries = unit(50, seed=1).astype(np.float32)
    recall = [len(set(oracle(vectors, query, 50)) & set(index.search(query, 50)[0])) / 50 for query in queries]
    assert np.mean(recall) >= 0.99


def test_the_first_do_not_depend_on_depth_and_scores_are_the_oracles(
    graph_of_3000: tuple[np.ndarray, Generation],
) -> None:
    vectors, opened = graph_of_3000
    index = DenseIndex(np.arange(3000, dtype=np.int32), opened, np.empty((0, 1), np.float16), by_position)
    for query in unit(5, seed=2).astype(np.float32):
        positions, scores = index.search(query, 100)
        assert np.array_equal(scores, rescore(vectors, query, positions))
        for depth in (1, 10, 50):
            assert index.search(query, depth)[0].tolist() == positions[:depth].tolist()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.5, 0.95])
def test_filters_are_exact(
    graph_of_3000: tuple[np.ndarray, Generation], monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr("codeseek.indexes.dense.FILTERED_EXACT_ROWS", 100)
    vectors, opened = graph_of_3000
    index = DenseIndex(np.arange(3000, dtype=np.int32), opened, np.empty((0, 1), np.float16), by_position)
    allowed = np.random.default_rng(3).random(3000) < share
    query = unit(1, seed=4)[0].astype(np.float32)
    found = index.search(query, 20, allowed)[0].tolist()
    expected = oracle(vectors, query, 20, allowed)
    assert len(found) == len(expected)
    assert len(set(found) & set(expected)) >= 0.95 * len(expected)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.integers(-1, 9), min_size=1, max_size=30),
    base=st.integers(0, 10),
    depth=st.integers(0, 40),
    seed=st.integers(0, 50),
)
def test_base_and_pending_answer_as_one(rows: list[int], base: int, depth: int, seed: int) -> None:
    """Wherever the border between base and pending lies, duplicates and documents without a vector included."""
    vectors = unit(10, seed=seed)
    opened = Generation(Path(), keys_of(base), vectors[:base].astype(np.float32), *[np.empty(0)] * 2, has_graph=False)
    index = DenseIndex(np.array(rows, np.int32), opened if base else None, vectors[base:], by_position)
    query = unit(1, seed=seed + 1)[0].astype(np.float32)
    allowed = np.random.default_rng(seed).random(len(rows)) < 0.7
    known = np.array(rows) >= 0
    documents = vectors[np.maximum(rows, 0)]
    assert index.search(query, depth)[0].tolist() == oracle(documents, query, depth, known)
    assert index.search(query, depth, allowed)[0].tolist() == oracle(documents, query, depth, known & allowed)
    assert index.vectors == known.sum()


def test_a_graph_that_cannot_reach_k_is_answered_exactly(
    graph_of_3000: tuple[np.ndarray, Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, opened = graph_of_3000

    class Unreachable:
        asked: list[int] = []  # noqa: RUF012

        def set_ef(self, ef: int) -> None:
            self.asked.append(ef)

        def knn_query(self, *_: object, **__: object) -> None:
            raise RuntimeError("Cannot return the results in a contiguous 2D array. Probably ef or M is too small")

    index = DenseIndex(np.arange(3000, dtype=np.int32), opened, np.empty((0, 1), np.float16), by_position)
    monkeypatch.setattr(opened, "_graph", Graph(Unreachable(), 3000))
    query = unit(1, seed=5)[0].astype(np.float32)
    assert index.search(query, 50)[0].tolist() == oracle(vectors, query, 50)
    assert Unreachable.asked == [hnsw.EF_SEARCH, 4 * hnsw.EF_SEARCH]


def test_a_graph_of_many_near_duplicates(tmp_path: Path) -> None:
    """The case in which hnswlib falls short of k."""
    vectors = np.repeat(unit(3), 200, axis=0)
    vectors += (1e-3 * np.random.default_rng(0).standard_normal(vectors.shape)).astype(np.float16)
    index = DenseIndex(
        np.arange(600, dtype=np.int32),
        generation(tmp_path / "1", vectors, with_graph=True),
        np.empty((0, 1), np.float16),
        by_position,
    )
    for depth in (1, 100, 599, 600, 1000):
        assert len(index.search(vectors[0].astype(np.float32), depth)[0]) == min(depth, 600)


def test_similarities_and_vectors(graph_of_3000: tuple[np.ndarray, Generation]) -> None:
    vectors, opened = graph_of_3000
    rows = np.array([5, -1, 3000, 7], np.int32)
    extra = unit(1, seed=9)
    index = DenseIndex(rows, opened, extra, by_position)
    query = unit(1, seed=8)[0].astype(np.float32)
    expected = rescore(np.stack([vectors[5], extra[0], vectors[7]]), query, np.arange(3))
    found = index.similarities(query, np.arange(4))
    assert np.isnan(found[1])
    assert np.array_equal(found[[0, 2, 3]], expected)
    assert index.vector(1) is None
    assert np.array_equal(index.vector(2), extra[0].astype(np.float32))


# ------------------------------------------------------------------------------------------------------------ exact.py


def test_exact_in_blocks_and_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeseek.indexes.exact.BLOCK_ROWS", 7)
    vectors, query = unit(50), unit(1, seed=1)[0]
    whole = vectors.astype(np.float32) @ query.astype(np.float32)
    assert inner_products(vectors, query) == pytest.approx(whole, abs=1e-6)
    rows = np.array([40, 3, 3, 9])
    assert inner_products(vectors, query, rows) == pytest.approx(whole[rows], abs=1e-6)
    assert set(np.argsort(-whole)[:5]) <= set(top_rows(vectors, query, 5).tolist())
    assert top_rows(vectors, query, 0).size == top_rows(vectors, query, 5, np.empty(0, int)).size == 0


def test_rescoring_does_not_depend_on_company() -> None:
    vectors, query = unit(100), unit(1, seed=1)[0]
    together = rescore(vectors, query, np.arange(100))
    alone = np.concatenate([rescore(vectors, query, np.array([row])) for row in range(100)])
    assert np.array_equal(together, alone)


# ---------------------------------------------------------------------------------------------------------- generations


@pytest.mark.parametrize("with_graph", [False, True])
def test_written_and_opened_again(tmp_path: Path, with_graph: bool) -> None:
    vectors = unit(40)
    numbers = np.array([2, 5, 9, 10], np.uint32)
    rows = np.array([3, -1, 3, 0], np.int32)
    write_generation(
        tmp_path / "d/000001",
        keys=keys_of(40),
        vectors=vectors,
        numbers=numbers,
        rows=rows,
        with_graph=with_graph,
    )
    opened = open_generation(tmp_path / "d/000001")
    assert np.array_equal(opened.vectors.astype(np.float16), vectors)
    assert opened.rows_of(np.array([1, 2, 5, 9, 10, 11])).tolist() == [-1, 3, -1, 3, 0, -1]
    assert (opened.graph() is not None) == with_graph
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["000001"]


def test_nothing_is_left_of_a_generation_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("codeseek.indexes.generation._sync", full_disk)
    with pytest.raises(FileError, match="No space left on device") as caught:
        generation(tmp_path / "d/000001", unit(10), with_graph=False)
    assert caught.value.hint
    assert list((tmp_path / "d").iterdir()) == []


def test_the_header_of_a_graph_is_checked_before_hnswlib_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "graph.hnsw"
    build_graph(unit(30), path)
    load_graph(path, 30, 24)
    data = path.read_bytes()
    for at in range(0, 96, 4):
        if at in range(80, 88):
            continue  # `mult` is only read when adding
        damaged = bytearray(data)
        damaged[at : at + 4] = b"\xff\xff\xff\x7f"
        path.write_bytes(damaged)
        with pytest.raises(IndexDamaged, match="does not fit 30 rows"):
            load_graph(path, 30, 24)
    for size in (0, 50, 96, len(data) // 2, len(data) - 30 * 4):
        path.write_bytes(data[:size])
        with pytest.raises(IndexDamaged):
            load_graph(path, 30, 24)
    path.write_bytes(data)
    with pytest.raises(IndexDamaged):
        load_graph(path, 31, 24)
    with pytest.raises(IndexDamaged):
        load_graph(path, 30, 25)
    os.unlink(path)
    with pytest.raises(IndexDamaged, match="cannot read"):
        load_graph(path, 30, 24)
