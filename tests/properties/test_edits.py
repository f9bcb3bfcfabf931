"""Incremental equals scratch: whatever was done to the files, an updated index answers as a new one does."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.hash_encoder import HashEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from properties.answers import answers, cache_in
from properties.edits import ACTIONS, MAX_BYTES, QUERIES, apply_edit

import codeseek.fill
import codeseek.update
from codeseek.build import build_index
from codeseek.stores import segments
from codeseek.verify import verify_index

# What happens between two edits: nothing, an update, words first and vectors later, or everything anew.
STEPS = ("nothing", "update", "update", "update", "words", "rebuild")
EDIT = st.tuples(st.sampled_from(list(ACTIONS)), st.integers(0, 2**32), st.sampled_from(STEPS))


def profile(examples: int, *, fixed: bool = False) -> Callable:
    unchecked = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        max_examples=examples, deadline=None, derandomize=fixed, database=None, suppress_health_check=unchecked
    )


def check_edits(folder: Path, seed: int, edits: list[tuple[str, int, str]]) -> None:
    """Edits a small tree, updates its index now and then, and compares it with one built from scratch."""
    root = folder / "root"
    shutil.rmtree(folder, ignore_errors=True)
    root.mkdir(parents=True)
    random_ = random.Random(seed)
    for _ in range(5):
        apply_edit(root, "write", random_.randrange(2**32))
    encoder = HashEncoder()
    with cache_in(folder / "incremental"):
        build_index(root, encoder, max_file_bytes=MAX_BYTES)
        for action, number, step in edits:
            apply_edit(root, action, number)
            if step != "nothing":
                # The clock of the file system ticks every 4 ms; an edit within one tick of a build is another test's.
                time.sleep(0.005)
                build_index(root, encoder, vectors=step != "words", rebuild=step == "rebuild")
                assert verify_index(root, encoder.name) == []
        build_index(root, encoder)
        assert verify_index(root, encoder.name) == []
        found = answers(root, QUERIES)
    with cache_in(folder / "scratch"):
        build_index(root, encoder, max_file_bytes=MAX_BYTES)
        expected = answers(root, QUERIES)
    for what, wanted in expected.items():
        assert found[what] == wanted, what


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """So low that a few files merge segments, write generations and keep vectors beside them."""
    monkeypatch.setattr(segments, "MERGE_RUN", 3)
    monkeypatch.setattr(codeseek.fill, "PENDING_MAX_ROWS", 3)
    return monkeypatch


def run_edits(limits: pytest.MonkeyPatch, folder: Path, examples: Callable, longest: int) -> None:
    @examples
    @given(
        edits=st.lists(EDIT, min_size=1, max_size=longest), seed=st.integers(0, 999), graph=st.booleans(),
        trusts_times=st.booleans(),
    )  # fmt: skip
    def run(edits: list[tuple[str, int, str]], seed: int, graph: bool, trusts_times: bool) -> None:
        with limits.context() as patch:
            patch.setattr(codeseek.fill, "EXACT_MAX_ROWS", 2 if graph else 10_000)
            if trusts_times:  # else every file of a test is so young that it is hashed again
                patch.setattr(codeseek.update, "RACY_NS", -(10**18))
            check_edits(folder, seed, edits)

    run()


def test_edits(small_limits: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_edits(small_limits, tmp_path / "edited", profile(4, fixed=True), longest=6)


@pytest.mark.slow
def test_many_edits(small_limits: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_edits(small_limits, tmp_path / "edited", profile(600), longest=30)


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_each_edit(small_limits: pytest.MonkeyPatch, tmp_path: Path, action: str) -> None:
    """One kind of edit, many times over, with an update after each."""
    for seed in range(4):
        edits = [("write", 100 * seed + at, "nothing") for at in range(4)]
        check_edits(tmp_path / "edited", seed, edits + [(action, 10 * seed + at, "update") for at in range(12)])
