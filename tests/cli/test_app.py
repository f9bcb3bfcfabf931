"""The top level: the table of commands, and what is said of words that are none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from codeseek import __version__
from codeseek.cli.app import COMMANDS

Run = Callable[..., tuple[int, str, str]]


def test_no_command_shows_the_table(codeseek: Run) -> None:
    code, out, err = codeseek()
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert f"  {command.name} " in out
        assert command.summary[:40] in out


def test_version(codeseek: Run) -> None:
    assert codeseek("--version") == (0, f"codeseek {__version__}\n", "")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (["serch", "walk a tree"], "did you mean codeseek search?"),
        (["statsu"], "did you mean codeseek status?"),
        (["how are failed requests retried"], 'to search: codeseek search "how are failed requests retried"'),
        (["xyzzy"], 'to search: codeseek search "xyzzy"'),
    ],
)
def test_an_unknown_command_names_the_nearest(typed: list[str], hint: str, codeseek: Run) -> None:
    code, out, err = codeseek(*typed)
    assert (code, out) == (2, "")
    assert err == f"codeseek: no such command: {typed[0]}\n  hint: {hint}\n"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--verison"], "no such option: --verison"),
        (["status", "--chek"], "no such option: --chek"),
        (["similar"], "missing argument 'FILE:LINE'"),
        (["train"], "missing command: dual, cross, documents or queries"),
        (["doctor", "now"], "got unexpected extra argument(s) (now)"),
        (["search", "q", "--limit"], "option '--limit' requires an argument"),
        (["languages", "--format", "yaml"], "--format is 'yaml', which is none of its values"),
    ],
)
def test_misuse_is_one_line_and_a_hint(typed: list[str], message: str, codeseek: Run) -> None:
    code, out, err = codeseek(*typed)
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first == f"codeseek: {message}"
    assert second.startswith("  hint: ")
