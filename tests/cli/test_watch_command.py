"""`index --watch` as a process of its own: real events, real signals, an encoder worked out by hand."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codeseek.cli.index import _when_unlocked
from codeseek.errors import IndexLocked
from codeseek.paths import index_dir, make_private_dir
from codeseek.stores.locks import writer_lock
from codeseek.types import Progress

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from fakes.encoder import fake_module
from codeseek.__main__ import main
sys.modules["codeseek.encoders"] = fake_module()
main()
"""
LONG_S = 60  # no test waits this long unless it fails


class Watcher:
    """The running command."""

    def __init__(self, *arguments: str, folder: Path, **changes: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", **changes},
            stderr=subprocess.PIPE,
        )
        self.said = ""

    def until(self, text: str) -> None:
        """Reads on until `text` stands in what came since the last call."""
        assert self.process.stderr is not None
        start, deadline = len(self.said), time.monotonic() + LONG_S
        while text not in self.said[start:]:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} in {self.said!r}"
            if select.select([self.process.stderr], [], [], left)[0]:
                piece = os.read(self.process.stderr.fileno(), 65_536)
                assert piece, f"ended before {text!r}: {self.said!r}"
                self.said += piece.decode()

    def end(self, number: int | None = None) -> int:
        """Sends a signal, and returns the exit code; what was said last is in `said`."""
        if number is not None:
            self.process.send_signal(number)
        self.said += self.process.communicate(timeout=LONG_S)[1].decode()
        return self.process.returncode


@contextmanager
def watching(folder: Path, **changes: str) -> Iterator[Watcher]:
    watcher = Watcher("index", "--watch", folder=folder, **changes)
    try:
        yield watcher
    finally:
        watcher.process.kill()
        watcher.process.communicate()


def test_it_follows_changes_until_it_is_interrupted(repository: Path) -> None:
    with watching(repository) as watcher:
        watcher.until(f"codeseek: following changes below {repository}; Ctrl-C ends it\n")
        first, at = watcher.said.splitlines()[-2], len(watcher.said)
        assert "2 files updated, 0 removed" in first
        (repository / "src" / "b.py").write_text("def b():\n    return 2\n")
        watcher.until("codeseek: 1 file updated, 0 removed, 1 text encoded in ")
        (repository / "notes").mkdir()  # nothing is to be said of it
        (repository / "src" / "a.py").unlink()
        watcher.until("codeseek: 0 files updated, 1 removed, 0 texts encoded in ")
        assert watcher.end(signal.SIGINT) == 130
        assert len(watcher.said[at:].splitlines()) == 2


def test_it_waits_for_another_build(repository: Path) -> None:
    lock = make_private_dir(index_dir(repository)) / "lock"
    with writer_lock(lock), watching(repository) as watcher:
        watcher.until(f"codeseek: another process is building this index (process {os.getpid()}); waiting for it\n")
        assert watcher.end(signal.SIGINT) == 130
    with watching(repository) as watcher:
        watcher.until("following changes")
        with writer_lock(lock, wait_s=LONG_S):
            (repository / "src" / "a.py").write_text("def a():\n    return 3\n")
            watcher.until("; waiting for it\n")
        watcher.until("codeseek: 1 file updated, 0 removed, 1 text encoded in ")
        assert watcher.end(signal.SIGTERM) == -signal.SIGTERM
        assert "Traceback" not in watcher.said


def test_a_build_waits_for_another_one(repository: Path) -> None:
    with writer_lock(make_private_dir(index_dir(repository)) / "lock"):
        building = Watcher("index", folder=repository)
        building.until(f"codeseek: another process is building this index (process {os.getpid()}); waiting for it\n")
    assert building.end() == 0
    assert "2 files, " in building.said


def test_only_what_follows_changes_begins_again_after_it_has_begun() -> None:
    rounds: list[int] = []

    def build(*, progress: Progress, wait_s: float) -> str:
        rounds.append(len(rounds))
        if len(rounds) % 2:
            progress("walk", 0, 1)
            raise IndexLocked("another process is building this index")
        return "report"

    def quiet(stage: str, done: int, total: int) -> None: ...

    assert _when_unlocked(build, quiet, lambda: None) == "report"  # type: ignore[arg-type, comparison-overlap]
    with pytest.raises(IndexLocked):
        _when_unlocked(build, quiet, None)  # type: ignore[arg-type]
    assert rounds == [0, 1, 2]


def test_the_end_of_the_root_is_an_error_and_polling_is_announced(repository: Path) -> None:
    with watching(repository, WATCHFILES_FORCE_POLLING="1") as watcher:
        watcher.until("WATCHFILES_FORCE_POLLING is set; comparing all files every few seconds instead\n")
        shutil.rmtree(repository)
        assert watcher.end() == 2
    assert watcher.said.splitlines()[-2:] == [
        f"codeseek: cannot follow {repository} any longer: the folder is gone",
        "  hint: codeseek clean --orphans",
    ]


@pytest.mark.slow
def test_an_interrupt_at_any_moment_is_quiet(repository: Path) -> None:
    for attempt in range(20):
        choose = random.Random(attempt)
        with watching(repository) as watcher:
            if attempt % 2:
                watcher.until("following changes")
                for count in range(20):
                    (repository / f"{count}.py").write_text(f"def f{attempt}_{count}():\n    return {attempt}\n")
            else:
                watcher.until("indexing")
            time.sleep(choose.random() * 0.7)
            number = choose.choice([signal.SIGINT, signal.SIGTERM])
            assert watcher.end(number) == (130 if number == signal.SIGINT else -number), watcher.said
            assert "Traceback" not in watcher.said
