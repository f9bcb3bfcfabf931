"""Progress on standard error: silent for short jobs, a line in a pipe, a bar on a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from codeseek.cli.progress import ProgressReport


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_short_job_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressReport("indexing /repo", quiet_s=60) as progress:
        progress("walk", 1, 2)
    assert not progress.announced
    assert capsys.readouterr().err == ""


def test_a_pipe_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressReport("indexing /repo", quiet_s=0) as progress:
        for done in range(100):
            progress("encode", done, 100)
    assert progress.announced
    assert capsys.readouterr().err == "codeseek: indexing /repo\n"


def test_a_terminal_gets_a_bar_that_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with ProgressReport("indexing /repo", quiet_s=0) as progress:
        progress("walk", 3, 0)
        for done in (0, 50, 100):
            progress("encode", done, 100)
    shown = terminal.getvalue()
    assert shown.startswith("codeseek: indexing /repo\n")
    assert "100/100" in shown
    assert shown.endswith("\x1b[2K")


def test_the_bar_ends_with_the_job_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")

    def fail() -> None:
        with ProgressReport("indexing /repo", quiet_s=0) as progress:
            progress("encode", 1, 2)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert "\x1b[?25h" in terminal.getvalue(), "the cursor is shown again"
