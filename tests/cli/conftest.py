"""What the tests of commands share: a search that answers by hand, a repository, and the command line in process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.searcher import FakeSearcher, fake_module


@pytest.fixture
def searchers(monkeypatch: pytest.MonkeyPatch) -> list[FakeSearcher]:
    """Puts the fake in place; the list holds each searcher that was opened."""
    opened: list[FakeSearcher] = []
    monkeypatch.setitem(sys.modules, "codeseek.search", fake_module(opened))
    return opened


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two files, and the current folder."""
    root = tmp_path / "repo"
    (root / "src").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "src" / "a.py").write_text("def a():\n    return 1\n")
    (root / "main.go").write_text("package main\n")
    monkeypatch.chdir(root)
    return root.resolve()


@pytest.fixture
def codeseek(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs one command line in this process: (exit code, stdout, stderr)."""
    from codeseek.cli.app import run

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
