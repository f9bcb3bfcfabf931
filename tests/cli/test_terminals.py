"""The real command in a real terminal, a pipe, a closed pipe, without colour, and interrupted."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, str(ROOT / "tests" / "fakes" / "searcher.py")]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **changes}


def in_terminal(*arguments: str, folder: Path, columns: int = 80, **changes: str) -> tuple[int, str]:
    """Runs the command with a pseudo-terminal as its three streams: (exit code, everything shown)."""
    shown = b""
    child, controller = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(sys.executable, [*COMMAND, *arguments], environment(COLUMNS=str(columns), **changes))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ready, _, _ = select.select([controller], [], [], 1)
        if not ready:
            continue
        try:
            piece = os.read(controller, 65536)
        except OSError:  # the end of a pseudo-terminal on Linux
            break
        if not piece:
            break
        shown += piece
    os.close(controller)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


def in_pipe(*arguments: str, folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_terminal_gets_colour_and_code(repository: Path) -> None:
    code, shown = in_terminal("search", "walk", folder=repository)
    assert code == 0
    assert "\x1b[35msrc/walk.py:1-2\x1b[0m" in shown
    assert "return" in shown


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colour(changes: dict[str, str], repository: Path) -> None:
    code, shown = in_terminal("search", "walk nothing", folder=repository, **changes)
    assert code == 0
    assert "\x1b" not in shown
    assert "src/walk.py:1-2  function walk  0.90" in shown
    assert "  1  def walk():" in shown


def test_a_pipe_gets_plain_lines_and_the_exit_code(repository: Path) -> None:
    done = in_pipe("search", "walk", folder=repository)
    assert (done.returncode, done.stdout, done.stderr) == (0, "src/walk.py:1-2  function walk\n", "")
    done = in_pipe("search", "nothing", folder=repository)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("codeseek: no hit: searched 40 of 40 chunks in 3 files\n")


def test_results_are_utf8_json_in_any_locale(repository: Path) -> None:
    done = in_pipe("search", "日本", "--format", "jsonl", folder=repository, LC_ALL="C", PYTHONUTF8="0")
    assert json.loads(done.stdout.splitlines()[0])["name"] == "日本"
    done = in_pipe("search", "日本", folder=repository, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "src/\\u65e5\\u672c.py:1-2  function \\u65e5\\u672c\n")


def test_a_closed_pipe_ends_quietly(repository: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.jsonl"
    batch.write_text('{"query_id": "1", "query": "a b c d e f g h"}\n' * 20_000)
    reader = subprocess.Popen(
        [*COMMAND, "search", "--batch", str(batch)],
        cwd=repository,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    assert reader.stderr is not None
    assert reader.stdout.readline() == "1\tsrc/a.py:1-2  function a\n"
    reader.stdout.close()
    assert reader.stderr.read() == ""
    reader.stderr.close()
    assert reader.wait(timeout=30) == 0


def test_an_interrupt_leaves_with_130_and_no_traceback(repository: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "search", "--batch", "-"],
        cwd=repository,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write('{"query_id": "1", "query": "a"}\n' * 2_000)
    process.stdin.flush()
    assert process.stdout.readline().startswith("1\t")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "")


def test_a_closed_output_is_no_error(repository: Path) -> None:
    command = shlex.join([*COMMAND, "search", "a"])
    for closed in (">&-", ">&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f"{command} {closed}"], cwd=repository, env=environment(), capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_a_full_device_is_an_error(repository: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "search", "walk"],
            cwd=repository,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 2
    assert "no space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("codeseek st", ["status"]),
        ("codeseek search --lang py", ["python"]),
        ("codeseek search --lang go,py", ["go,python"]),
        ("codeseek search --kind function,me", ["function,method"]),
        ("codeseek search --format v", ["vimgrep"]),
        ("codeseek search --device c", ["cpu", "cuda"]),
        ("codeseek search --min", ["--min-score"]),
        ("codeseek search q sr", []),
    ],
)
def test_the_shells_get_values(
    typed: str, wanted: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The protocol of bash, in this process; what the shells make of it is the next test."""
    from codeseek.cli.app import run

    monkeypatch.setenv("_CODESEEK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    with pytest.raises(SystemExit):
        run([])
    assert capsys.readouterr().out.split() == wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_in_a_real_shell(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    binary = tmp_path / "bin" / "codeseek"
    binary.parent.mkdir()
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} -m codeseek "$@"\n')
    binary.chmod(0o755)
    changed = environment(PATH=f"{binary.parent}:{os.environ['PATH']}", HOME=str(tmp_path))
    source = subprocess.run(
        ["codeseek", "--show-completion", shell],
        env={**changed, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    (tmp_path / "completion").write_text(source)
    ask = {
        "bash": "source completion; COMP_WORDS=(codeseek search --format v); COMP_CWORD=3; "
        '_codeseek_completion codeseek; echo "${COMPREPLY[@]}"',
        "zsh": "compdef() { :; }; _arguments() { echo $@; }; source ./completion; words=(codeseek search --format v); "
        "CURRENT=4; _codeseek_completion",
        "fish": "source completion; complete -C 'codeseek search --format v'",
    }[shell]
    done = subprocess.run(
        [shell, "-c", ask], cwd=tmp_path, env=changed, capture_output=True, text=True, timeout=30, check=False
    )
    assert "vimgrep" in done.stdout, done.stderr
    assert "plain" not in done.stdout
