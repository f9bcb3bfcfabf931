import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.errors import FileError, IndexDamaged
from codeseek.indexes import hnsw
from codeseek.indexes.dense import DenseIndex
from codeseek.indexes.exact import approximate_products, rescore, top_rows
from codeseek.indexes.generation import Generation, open_generation, write_generation
from codeseek.indexes.hnsw import Graph, build_graph, graph_bytes, load_graph
from codeseek.indexes.quantised import find_damaged, quantise, record_dtype, widen


def unit(count: int, dimension: int = 24, seed: int = 0) -> np.ndarray:
    """Clustered, as vectors of code are: [N, D] float32."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((12, dimension))
    vectors = centres[random.integers(0, 12, count)] + 0.7 * random.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def by_position(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(len(positions)), positions


def generation(folder: Path, records: np.ndarray, rows: np.ndarray, *, with_graph: bool) -> Generation:
    numbers = np.arange(len(rows))
    write_generation(folder, store="s", records=records, numbers=numbers, rows=rows, with_graph=with_graph)
    return open_generation(folder)


def oracle(records: np.ndarray, query: np.ndarray, depth: int, allowed: np.ndarray | None = None) -> list[int]:
    products = (records["codes"].astype(np.float64) * query).sum(axis=1)
    scores = (products * records["scale"]).astype(np.float32)
    wanted = np.arange(len(records)) if allowed is None else np.flatnonzero(allowed)
    return wanted[np.lexsort((wanted, -scores[wanted]))][:depth].tolist()


@pytest.fixture(scope="module")
def graph_of_3000(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, DenseIndex, Generation]:
    """3,000 documents by HNSW; their rows are every second of a store."""
    records = quantise(unit(6000))
    rows = np.arange(0, 6000, 2, dtype=np.int32)
    opened = generation(tmp_path_factory.mktemp("dense") / "000001", records, rows, with_graph=True)
    return records[rows], DenseIndex(rows, records, by_position, opened, 3000), opened


def test_recall_against_exact(graph_of_3000: tuple[np.ndarray, DenseIndex, Generation]) -> None:
    records, index, _ = graph_of_3000
    queries = unit(50, seed=1)
    recall = [len(set(oracle(records, query, 50)) & set(index.search(query, 50)[0])) / 50 for query in queries]
    assert np.mean(recall) >= 0.995


def test_the_graph_answers(
    graph_of_3000: tuple[np.ndarray, DenseIndex, Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the other tests of this file would pass by exact search alone."""
    _, index, _ = graph_of_3000
    monkeypatch.setattr(
        "codeseek.indexes.dense.top_rows",
        lambda *given: np.empty(0, np.int64) if not len(given[3]) else pytest.fail("exact"),
    )
    assert len(index.search(unit(1, seed=1)[0], 50)[0]) == 50


def test_the_first_do_not_depend_on_depth_and_scores_are_the_oracles(
    graph_of_3000: tuple[np.ndarray, DenseIndex, Generation],
) -> None:
    records, index, _ = graph_of_3000
    for query in unit(5, seed=2):
        positions, scores = index.search(query, 100)
        assert np.array_equal(scores, rescore(records, query, positions))
        for depth in (1, 10, 50):
            assert index.search(query, depth)[0].tolist() == positions[:depth].tolist()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.4, 0.6, 0.95])
def test_filters(graph_of_3000: tuple[np.ndarray, DenseIndex, Generation], share: float) -> None:
    """Exact where fewer than half are allowed; else by the graph, asked for more."""
    records, index, _ = graph_of_3000
    allowed = np.random.default_rng(3).random(3000) < share
    query = unit(1, seed=4)[0]
    found = index.search(query, 20, allowed)[0].tolist()
    expected = oracle(records, query, 20, allowed)
    assert len(found) == len(expected)
    assert len(set(found) & set(expected)) >= (0.95 if share > 0.5 else 1) * len(expected)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.integers(-1, 9), min_size=1, max_size=30),
    depth=st.integers(0, 40),
    seed=st.integers(0, 50),
)
def test_duplicates_and_documents_without_a_vector(rows: list[int], depth: int, seed: int) -> None:
    records = quantise(unit(10, seed=seed))
    index = DenseIndex(np.array(rows, np.int32), records, by_position)
    query = unit(1, seed=seed + 1)[0]
    allowed = np.random.default_rng(seed).random(len(rows)) < 0.7
    known = np.array(rows) >= 0
    documents = records[np.maximum(rows, 0)]
    assert index.search(query, depth)[0].tolist() == oracle(documents, query, depth, known)
    assert index.search(query, depth, allowed)[0].tolist() == oracle(documents, query, depth, known & allowed)
    assert index.vectors == known.sum()


def test_rows_outside_the_graph_are_found_and_rows_that_are_gone_are_not(tmp_path: Path) -> None:
    records = quantise(unit(2000))
    opened = generation(tmp_path / "1", records, np.arange(1500, dtype=np.int32), with_graph=True)
    rows = np.concatenate((np.arange(500, 1500), np.arange(1500, 2000))).astype(np.int32)
    index = DenseIndex(rows, records, by_position, opened, 1000)
    assert (index.base_rows, index.dead_base_rows, index.pending_rows) == (1500, 500, 500)
    for query in unit(5, seed=7):
        expected = oracle(records[rows], query, 20)
        assert len(set(index.search(query, 20)[0].tolist()) & set(expected)) >= 19
    query = widen(records[1999:])[0]
    assert index.search(query, 1)[0].tolist() == [1499]


def test_a_graph_that_cannot_reach_k_is_answered_exactly(
    graph_of_3000: tuple[np.ndarray, DenseIndex, Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    records, index, opened = graph_of_3000

    class Unreachable:
        asked: list[int] = []  # noqa: RUF012

        def set_ef(self, ef: int) -> None:
            self.asked.append(ef)

        def knn_query(self, *_: object, **__: object) -> None:
            raise RuntimeError("Cannot return the results in a contiguous 2D array. Probably ef or M is too small")

    monkeypatch.setattr(opened, "_graph", Graph(Unreachable(), opened.rows, np.eye(24, dtype=np.float32)))
    query = unit(1, seed=5)[0]
    assert index.search(query, 50)[0].tolist() == oracle(records, query, 50)
    assert Unreachable.asked == [hnsw.EF_SEARCH, 4 * hnsw.EF_SEARCH]


def test_a_graph_of_many_near_duplicates(tmp_path: Path) -> None:
    """The case in which hnswlib falls short of k."""
    vectors = np.repeat(unit(3), 200, axis=0)
    records = quantise(vectors + 1e-3 * np.random.default_rng(0).standard_normal(vectors.shape))
    rows = np.arange(600, dtype=np.int32)
    index = DenseIndex(rows, records, by_position, generation(tmp_path / "1", records, rows, with_graph=True), 600)
    for depth in (1, 100, 599, 600, 1000):
        assert len(index.search(vectors[0], depth)[0]) == min(depth, 600)


def test_similarities_and_vectors() -> None:
    records = quantise(unit(10))
    index = DenseIndex(np.array([5, -1, 9], np.int32), records, by_position)
    query = unit(1, seed=8)[0]
    found = index.similarities(query, np.arange(3))
    assert np.isnan(found[1])
    assert np.array_equal(found[[0, 2]], rescore(records, query, np.array([5, 9])))
    assert index.vector(1) is None
    assert np.array_equal(index.vector(2), widen(records[9:])[0])


# -------------------------------------------------------------------------------------------------------- quantised.py


def test_a_vector_by_hand() -> None:
    """The largest number becomes 127; the scale is one over the length of the codes."""
    records = quantise(np.array([[0.6, -0.8, 0.0], [0, 0, 0], [np.nan, 2, np.inf], [1e-7, 1e9, 0]]))
    assert records["codes"].tolist() == [[95, -127, 0], [0, 0, 0], [0, 127, 0], [127, 0, 0]]
    assert records["scale"].tolist() == pytest.approx([1 / 158.6001261, 0, 1 / 127, 1 / 127])
    assert records.itemsize == record_dtype(3).itemsize == 7


def test_cosines_change_little() -> None:
    vectors, queries = unit(2000, 384), unit(20, 384, seed=1)
    stored = widen(quantise(vectors))
    assert np.linalg.norm(stored, axis=1) == pytest.approx(1, abs=1e-6)
    assert np.abs(queries @ stored.T - queries @ vectors.T).max() < 0.004
    assert np.array_equal(quantise(vectors.astype(np.float16)), quantise(vectors))


def test_a_flipped_bit_is_damage() -> None:
    records = quantise(unit(50))
    assert find_damaged(records).size == 0
    records["codes"][7, 3] ^= 64
    records["scale"][9] = 0
    assert find_damaged(records).tolist() == [7, 9]


# ------------------------------------------------------------------------------------------------------------ exact.py


@pytest.mark.parametrize("threaded_rows", [5, 1000])
def test_exact_in_blocks_and_by_rows(monkeypatch: pytest.MonkeyPatch, threaded_rows: int) -> None:
    """Rows in a run, with gaps, alone; one thread and several."""
    monkeypatch.setattr("codeseek.indexes.exact.BLOCK_ROWS", 7)
    monkeypatch.setattr("codeseek.indexes.exact.THREADED_ROWS", threaded_rows)
    records, query = quantise(unit(50)), unit(1, seed=1)[0]
    whole = widen(records) @ query
    scores, error = approximate_products(records, query)
    assert np.abs(scores - whole).max() <= error < 0.02
    for rows in (
        np.arange(50),
        np.arange(3, 30),
        np.delete(np.arange(40), [2, 30]),
        np.array([0, 3, 9, 40]),
        np.array([7]),
    ):
        assert np.array_equal(approximate_products(records, query, rows)[0], scores[rows])
    assert set(np.argsort(-whole)[:5]) <= set(top_rows(records, query, 5).tolist())
    assert set(40 + np.argsort(-whole[40:])[:3]) <= set(top_rows(records, query, 3, np.arange(40, 50)).tolist())
    assert top_rows(records, query, 0).size == top_rows(records, query, 5, np.empty(0, int)).size == 0


@pytest.mark.parametrize("shape", ["plain", "one large number", "small", "zeros"])
def test_rounding_the_query_loses_nothing(shape: str) -> None:
    """Rows so alike that the rounded query orders them otherwise."""
    query = unit(1, seed=1)[0]
    if shape == "one large number":
        query[3] = 40
    query = query * {"small": 1e-20, "zeros": 0}.get(shape, 1)
    records = quantise(unit(1) + 0.02 * unit(3_000, seed=2))
    whole = rescore(records, query, np.arange(3_000))
    scores, error = approximate_products(records, query)
    assert np.abs(scores - whole).max() <= error
    best = np.sort(whole)[-20]
    found = top_rows(records, query, 20)
    assert set(np.flatnonzero(whole >= best)) <= set(found.tolist())
    assert shape != "plain" or len(found) < 60


def test_rescoring_does_not_depend_on_company() -> None:
    records, query = quantise(unit(100)), unit(1, seed=1)[0]
    together = rescore(records, query, np.arange(100))
    alone = np.concatenate([rescore(records, query, np.array([row])) for row in range(100)])
    assert np.array_equal(together, alone)


# ---------------------------------------------------------------------------------------------------------- generations


@pytest.mark.parametrize("with_graph", [False, True])
def test_written_and_opened_again(tmp_path: Path, with_graph: bool) -> None:
    write_generation(
        tmp_path / "d/000001",
        store="abc",
        records=quantise(unit(40)),
        numbers=np.array([2, 5, 9, 10], np.uint32),
        rows=np.array([3, -1, 3, 0], np.int32),
        with_graph=with_graph,
    )
    opened = open_generation(tmp_path / "d/000001")
    assert (opened.store, opened.dimension) == ("abc", 24)
    assert opened.rows_of(np.array([1, 2, 5, 9, 10, 11])).tolist() == [-1, 3, -1, 3, 0, -1]
    graph = opened.graph()
    assert (graph is not None) == with_graph
    if graph is not None:
        assert graph.rows.tolist() == [0, 3]
        assert set(graph.nearest(unit(1)[0], 2).tolist()) == {0, 3}
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["000001"]


def test_a_graph_that_went_before_it_was_read(tmp_path: Path) -> None:
    """As where another process derived the generation anew: the vectors are there all the same."""
    records, rows = quantise(unit(40)), np.arange(40, dtype=np.int32)
    opened = generation(tmp_path / "1", records, rows, with_graph=True)
    shutil.rmtree(tmp_path / "1")
    query = unit(1, seed=3)[0]
    assert DenseIndex(rows, records, by_position, opened, 40).search(query, 5)[0].tolist() == oracle(records, query, 5)


def test_nothing_is_left_of_a_generation_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("codeseek.indexes.generation._sync", full_disk)
    with pytest.raises(FileError, match="No space left on device") as caught:
        generation(tmp_path / "d/000001", quantise(unit(10)), np.arange(10), with_graph=False)
    assert caught.value.hint
    assert list((tmp_path / "d").iterdir()) == []


@pytest.mark.parametrize(("place", "value"), [(5, 4), (0, -1), (29, 3)])
def test_the_rows_of_a_graph_ascend(tmp_path: Path, place: int, value: int) -> None:
    """Damage behind the checked head would else be an index out of bounds, or an answer from another row."""
    build_graph(quantise(unit(30)), np.arange(30), tmp_path)
    rows = np.load(tmp_path / "graph_rows.npy")
    rows[place] = value
    np.save(tmp_path / "graph_rows.npy", rows)
    with pytest.raises(IndexDamaged, match="holds no graph"):
        load_graph(tmp_path, 30, 24)


def test_the_header_of_a_graph_is_checked_before_hnswlib_reads_it(tmp_path: Path) -> None:
    build_graph(quantise(unit(30)), np.arange(30), tmp_path)
    path = tmp_path / "graph.hnsw"
    load_graph(tmp_path, 30, 24)
    data = path.read_bytes()
    assert len(data) == pytest.approx(graph_bytes(30, 24), rel=0.2)
    for at in range(0, 96, 4):
        if at in range(80, 88):
            continue  # `mult` is only read when adding
        damaged = bytearray(data)
        damaged[at : at + 4] = b"\xff\xff\xff\x7f"
        path.write_bytes(damaged)
        with pytest.raises(IndexDamaged, match="does not fit 30 rows"):
            load_graph(tmp_path, 30, 24)
    for size in (0, 50, 96, len(data) // 2, len(data) - 30 * 4):
        path.write_bytes(data[:size])
        with pytest.raises(IndexDamaged):
            load_graph(tmp_path, 30, 24)
    path.write_bytes(data)
    with pytest.raises(IndexDamaged):
        load_graph(tmp_path, 31, 24)
    with pytest.raises(IndexDamaged):
        load_graph(tmp_path, 30, 25)
    os.unlink(path)
    with pytest.raises(IndexDamaged, match="cannot read"):
        load_graph(tmp_path, 30, 24)
