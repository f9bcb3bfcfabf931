"""What results must not depend on: how many are asked for, threads, and the order in which files were found."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes.hash_encoder import HashEncoder
from fakes.rankers import OverlapRanker
from properties.answers import FILTERS, answers, hits_of, raw_hits
from properties.edits import FOLDERS, QUERIES, text

import codeseek.fill
import codeseek.update
from codeseek.build import build_index
from codeseek.indexes import exact
from codeseek.indexes.quantised import quantise
from codeseek.retrievers.fusion import Blend
from codeseek.retrievers.signals import SIGNALS, weigh
from codeseek.search import Searcher
from codeseek.stores.snapshot import open_index

ALL = 400


def make_tree(root: Path, files: int) -> None:
    """Many chunks that score alike, since the same few words make all of them."""
    for seed in range(files):
        folder = root / FOLDERS[seed % len(FOLDERS)]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{seed}{('.py', '.js', '.md')[seed % 3]}").write_text(text(random.Random(seed), 3))


@pytest.fixture(params=[10_000, 5], ids=["exact", "graph"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(codeseek.fill, "EXACT_MAX_ROWS", request.param)
    make_tree(tmp_path / "root", 25)
    build_index(tmp_path / "root", HashEncoder())
    return tmp_path / "root"


@pytest.fixture
def searcher(root: Path) -> Iterator[Searcher]:
    encoder = HashEncoder()
    with Searcher(open_index(root, encoder.name), encoder, OverlapRanker(), Blend()) as opened:
        assert len(opened.index) > 40
        yield opened


def test_the_first_k_do_not_depend_on_k(searcher: Searcher) -> None:
    for query in QUERIES[:3]:
        for filters in FILTERS:
            whole = hits_of(searcher, query, ALL, filters)
            stages = raw_hits(searcher.index, searcher.encoder, query, ALL, filters)
            assert len(whole) > 10 or filters
            for k in (1, 2, 7, 25):
                assert hits_of(searcher, query, k, filters) == whole[:k]
                first = raw_hits(searcher.index, searcher.encoder, query, k, filters)
                assert first == [found[:k] for found in stages]


def test_scores_do_not_rise(searcher: Searcher) -> None:
    for query in QUERIES:
        scores = [hit.score for hit in searcher.search(query, limit=ALL).hits]
        assert scores == sorted(scores, reverse=True)
        for found in raw_hits(searcher.index, searcher.encoder, query, ALL):
            order = [(-score, path.encode(), span) for path, span, score in found]
            assert order == sorted(order)


def test_threads_change_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(root, QUERIES)
    for threads in (2, 7):
        monkeypatch.setattr(exact, "THREADED_ROWS", 1)
        monkeypatch.setattr(exact, "THREADS_MAX", threads)
        monkeypatch.setattr(os, "cpu_count", lambda: 8)
        assert answers(root, QUERIES) == before


def test_threads_score_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    random_ = np.random.default_rng(1)
    records = quantise(random_.standard_normal((1_500, 24)).astype(np.float32))
    query, chosen = random_.standard_normal(24).astype(np.float32), np.arange(0, 1_500, 3)
    alone = [exact.approximate_products(records, query, rows)[0] for rows in (None, chosen)]
    monkeypatch.setattr(exact, "THREADED_ROWS", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for threads in (2, 3, 7):
        monkeypatch.setattr(exact, "THREADS_MAX", threads)
        for rows, expected in zip((None, chosen), alone, strict=True):
            assert np.array_equal(exact.approximate_products(records, query, rows)[0], expected)


IN_A_PROCESS = """
import sys
from pathlib import Path
from properties.answers import answers
print(answers(Path(sys.argv[1]), sys.argv[2:]))
"""


@pytest.mark.slow
def test_threads_of_libraries_and_the_seed_of_hashes_change_nothing(root: Path) -> None:
    tests = Path(__file__).parent.parent
    found = set()
    for threads, seed in (("1", "0"), ("2", "1"), ("4", "2")):
        variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        path = os.pathsep.join([str(tests.parent), str(tests)])
        environment = {**os.environ, **variables, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", IN_A_PROCESS, str(root), *QUERIES]
        found.add(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    assert len(found) == 1
    assert "readToken" in found.pop()


def test_the_order_in_which_files_are_found_changes_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(root, QUERIES)
    walk = codeseek.update.walk
    for seed in (1,):
        random_ = random.Random(seed)

        def shuffled(*arguments: object, random_: random.Random = random_, **options: object) -> list:
            found = list(walk(*arguments, **options))
            random_.shuffle(found)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(codeseek.update, "walk", shuffled)
            patch.setattr(codeseek.update, "COMMIT_CHUNKS", 7)
            patch.setenv("CODESEEK_CACHE_DIR", str(tmp_path / f"shuffled-{seed}"))
            build_index(root, HashEncoder())
            assert answers(root, QUERIES) == before


def test_the_order_of_candidates_changes_no_sum() -> None:
    """As a product of matrices this differs in one row of 30: found by `benchmarks/replay_history.py`."""
    random_ = np.random.default_rng(0)
    signals, weights = random_.random((199, len(SIGNALS)), np.float32), random_.random(len(SIGNALS), np.float32)
    whole = weigh(signals, weights)
    for _ in range(20):
        order = random_.permutation(len(signals))[: random_.integers(1, len(signals))]
        assert np.array_equal(weigh(signals[order], weights), whole[order])
