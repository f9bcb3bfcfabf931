"""A search that does not wait, as a user starts it: the answer at once, the vectors behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes.word_encoder import WordEncoder

from codeseek.background import last_failure, main, start_fill
from codeseek.build import build_index
from codeseek.fill import FILL_LOCK
from codeseek.paths import index_dir
from codeseek.stores.locks import lock_holder, writer_lock
from codeseek.stores.snapshot import open_index

WAIT_S = 60.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """More functions than a search encodes before it answers."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for number in range(100):
        (folder / f"part{number}.py").write_text(
            f"def handle_request_{number}(value):\n    total = value + {number}\n    return total\n"
        )
    (folder / "walk.py").write_text("def walk_tree(root):\n    'Visit every folder below.'\n    yield from root\n")
    return folder


def search(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "codeseek", "search", *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        **options,  # type: ignore[call-overload]
    )


def test_the_rest_of_the_vectors_follows_the_answer(root: Path) -> None:
    # A module that Python would find first in the working folder must not run.
    (root / "typer.py").write_text(f"open({str(root.parent / 'ran')!r}, 'w')\n")
    done = search("visit every folder", "--root", str(root), "--format", "json", cwd=root)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["hits"][0]["path"] == "walk.py"
    assert 0 < answer["summary"]["coverage"] < 1
    deadline = time.monotonic() + WAIT_S
    while coverage(root) < 1 or lock_holder(index_dir(root) / FILL_LOCK) is not None:
        assert time.monotonic() < deadline, "nobody fills in the vectors"
        time.sleep(0.1)
    again = search("visit every folder", "--root", str(root), cwd=root)
    assert "vectors" not in again.stderr
    assert not (root.parent / "ran").exists()


def coverage(root: Path) -> float:
    from codeseek.encoders import LazyEncoder

    with open_index(root, LazyEncoder().name) as index:
        return index.freshness.coverage


def test_people_are_told_how_much_has_vectors(root: Path) -> None:
    build_index(root, None, vectors=False)
    with writer_lock(index_dir(root) / FILL_LOCK):  # as if another process were at it
        done = search("visit every folder", "--root", str(root))
    assert "% of chunks have vectors, the others follow in the background" in done.stderr


def test_waiting_leaves_nothing_behind(root: Path) -> None:
    done = search("visit every folder", "--root", str(root), "--wait")
    assert done.returncode == 0
    assert "vectors" not in done.stderr
    assert coverage(root) == 1.0


def test_one_process_at_a_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_index(root, WordEncoder())
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a second one was started"))
    with writer_lock(index_dir(root) / FILL_LOCK):
        assert start_fill(root, encoder=None, device="cpu")


def test_searches_in_quick_succession_start_one_process(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_index(root, None, vectors=False)
    assert start_fill(root, encoder=None, device="cpu")
    started = subprocess.Popen
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a second one was started"))
    assert start_fill(root, encoder=None, device="cpu")
    monkeypatch.setattr("subprocess.Popen", started)
    deadline = time.monotonic() + WAIT_S
    while coverage(root) < 1:
        assert time.monotonic() < deadline, "the first one does nothing"
        time.sleep(0.1)


def test_an_index_that_was_deleted_is_not_made_again(root: Path) -> None:
    assert main(root, "cpu", None) == 0
    assert not index_dir(root).exists()


def test_the_next_search_tells_what_failed(root: Path) -> None:
    build_index(root, None, vectors=False)
    assert last_failure(root) == ""
    assert main(root, "cpu", os.fspath(root / "no-model")) == 2
    with writer_lock(index_dir(root) / FILL_LOCK):  # so that no other process begins
        done = search("visit every folder", "--root", str(root))
    assert "in the background it failed before: " in done.stderr
    assert "no-model" in done.stderr
    (index_dir(root) / "background.error").write_text("")  # a full disk takes the name and not the reason
    assert last_failure(root) == "what failed could not be written, as on a full disk"
    assert main(root, "cpu", None) == 0
    assert last_failure(root) == ""


def test_a_process_that_cannot_be_started_is_no_failure(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_index(root, WordEncoder())
    monkeypatch.setattr(sys, "executable", os.fspath(root / "no-python"))
    assert not start_fill(root, encoder=None, device="cpu")
