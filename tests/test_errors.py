"""Each exception: its message, its hint, and the exit code that a user sees."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from codeseek import errors
from codeseek.cli.failures import report_failure
from codeseek.errors import CodeseekError

TREE = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CodeseekError)),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_each_exception_is_one_line_a_hint_and_exit_code_2(
    kind: type[CodeseekError], capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("cannot read x: got 1, wanted 2", hint="mend it: codeseek doctor")
    assert str(error) == "cannot read x: got 1, wanted 2"
    assert error.hint == "mend it: codeseek doctor"
    assert report_failure(error) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "codeseek: cannot read x: got 1, wanted 2\n  hint: mend it: codeseek doctor\n"


def test_a_hint_may_be_missing(capsys: pytest.CaptureFixture[str]) -> None:
    report_failure(CodeseekError("cannot read x"))
    assert capsys.readouterr().err == "codeseek: cannot read x\n"


def test_every_exception_is_exported_and_drawn_in_the_tree() -> None:
    assert errors.__doc__ is not None
    for kind in TREE:
        assert kind.__name__ in errors.__all__
        assert kind.__name__ in errors.__doc__
        assert kind.__doc__


@pytest.mark.parametrize(
    ("error", "line", "hint"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/c/x"), "/c/x: no space left on device", "free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "/c"), "/c: permission denied", "check the permissions"),
        (OSError(errno.EROFS, "Read-only file system", "/c"), "/c: read-only file system", "CODESEEK_CACHE_DIR"),
        (MemoryError(), "out of memory", "smaller folder"),
        (KeyError("x"), "internal error: KeyError: 'x'", "--debug"),
    ],
)
def test_what_was_not_translated_is_still_one_line(
    error: Exception, line: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_failure(error) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"codeseek: {line}"
    assert hint in second


def test_control_characters_of_a_message_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    report_failure(CodeseekError("cannot read a\x1b[2J\nb"))
    assert capsys.readouterr().err == "codeseek: cannot read a\\x1b[2J\\x0ab\n"


def test_tracebacks_only_with_debug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from codeseek.cli.app import run

    assert run(["search", ""]) == 2
    assert "Traceback" not in capsys.readouterr().err
    for arguments in (["--debug", "search", ""], ["search", "", "--debug"]):
        with pytest.raises(errors.UsageError):
            run(arguments)
    monkeypatch.setenv("CODESEEK_DEBUG", "1")
    with pytest.raises(errors.UsageError):
        run(["search", ""])


def test_the_process_leaves_with_the_exit_code(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codeseek", "search", ""],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={"PYTHONPATH": str(Path(errors.__file__).parent.parent), "PATH": "", "HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("codeseek: the query is empty\n")


def test_our_warnings_are_notices_and_those_of_libraries_are_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from codeseek.cli.streams import show_warning
    from codeseek.device import DeviceWarning

    show_warning(DeviceWarning("cuda ran out of memory; encoding on the CPU"), DeviceWarning, "x.py", 1)
    show_warning(DeprecationWarning("old"), DeprecationWarning, "x.py", 1)
    assert capsys.readouterr().err == "codeseek: cuda ran out of memory; encoding on the CPU\n"
