"""Damaged index files: searching answers or raises one of our errors, and `codeseek index` mends or says what to do.

Everything runs in a child process, since hnswlib and a mapped file that shrinks can take the interpreter with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fuzz.damaged import KINDS, Damage
from fuzz.isolated import Isolated
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

LIMIT_S = 120.0  # of wall time, on a busy machine; a case takes 0.2 s of CPU


def profile(examples: int, *, fixed: bool = False) -> Callable:
    unchecked = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=examples, deadline=None, derandomize=fixed, database=None, suppress_health_check=unchecked
    )


DAMAGE = st.tuples(st.integers(0, 31), st.sampled_from(KINDS), st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**32))
ONE_OR_MORE = st.lists(DAMAGE, min_size=1, max_size=4)


@pytest.fixture
def child() -> Iterator[Isolated]:
    with Isolated("fuzz.damaged") as running:
        yield running


def files_of(child: Isolated, folder: Path, with_graph: bool) -> list[str]:
    files = child.call("make_index", str(folder), with_graph, limit_s=LIMIT_S)
    assert ("graph.hnsw" in {Path(file).name for file in files}) == with_graph
    return files


def check(child: Isolated, folder: Path, files: list[str], damages: list[Damage], with_graph: bool) -> None:
    result = child.call("try_damage", str(folder), str(folder / "work"), files, damages, with_graph, limit_s=LIMIT_S)
    # The update made it right, or the check finds what is left, or the error says what to do.
    silent = result["updated"] == "works" and result["rechecked"] == []
    stored_vectors = any("catalogue" not in Path(file).name and "vectors/" in file for file in _hurt(files, damages))
    assert result["rebuilt"] == "works", result
    assert result["last"] == [], result
    assert result["words right after the rebuild"], result
    if not stored_vectors:  # a number in the store that is another number cannot be told from a right one
        assert result["right after the rebuild"], result
        if silent and not any(CATALOGUE in file for file in _hurt(files, damages)):
            assert result["right after the update"], result


CATALOGUE = "catalogue.sqlite"


def _hurt(files: list[str], damages: list[Damage]) -> set[str]:
    return {files[damage[0] % len(files)] for damage in damages}


def test_an_index_that_is_whole_passes(child: Isolated, tmp_path: Path) -> None:
    """Else the checks below would say nothing."""
    files = files_of(child, tmp_path, with_graph=True)
    result = child.call("try_damage", str(tmp_path), str(tmp_path / "work"), files, [], True, limit_s=LIMIT_S)
    assert result["right after the update"]
    assert result["right after the rebuild"]
    assert {result["searched"], result["checked"], result["updated"]} == {"works"}
    assert result["rechecked"] == result["last"] == []


@pytest.mark.parametrize("with_graph", [True, False])
def test_damaged_files(child: Isolated, tmp_path: Path, with_graph: bool) -> None:
    files = files_of(child, tmp_path, with_graph)

    derived = [at for at, file in enumerate(files) if CATALOGUE not in file]

    @profile(2, fixed=True)
    @example([(at, "remove", 0.0, 0.0, 0) for at in range(len(files))])
    @example([(at, "remove", 0.0, 0.0, 0) for at in derived])
    @example([(at, "cut", 0.5, 0.0, 0) for at in derived if "vectors/" not in files[at]])
    @given(damages=ONE_OR_MORE)
    def run(damages: list[Damage]) -> None:
        check(child, tmp_path, files, damages, with_graph)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("with_graph", [True, False])
def test_many_damaged_files(child: Isolated, tmp_path: Path, with_graph: bool) -> None:
    files = files_of(child, tmp_path, with_graph)

    @profile(400)
    @given(damages=ONE_OR_MORE)
    def run(damages: list[Damage]) -> None:
        check(child, tmp_path, files, damages, with_graph)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_damage_to_each_file(child: Isolated, tmp_path: Path, kind: str) -> None:
    files = files_of(child, tmp_path, with_graph=True)
    for at in range(len(files)):
        for place in (0.0, 0.02, 0.1, 0.3, 0.6, 0.99):
            check(child, tmp_path, files, [(at, kind, place, 0.9 * place, 7)], True)
