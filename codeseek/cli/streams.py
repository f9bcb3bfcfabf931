"""Standard output is for results; everything else goes to standard error behind `codeseek: `."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from codeseek.printers.escapes import escape_name


def prepare_streams() -> None:
    """Let no character that the locale cannot show raise while it is printed, nor a stream that was closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="surrogateescape")  # as file names are; `queries.check_query` mends it


def results_stream(*, utf8: bool) -> TextIO:
    """Returns standard output; `utf8` for formats that programs read, whatever the locale."""
    if utf8 and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="strict", newline="\n")
    return sys.stdout


def notice(message: str, *, hint: str = "") -> None:
    """Say something to the person at the terminal; never part of the results."""
    lines = f"codeseek: {escape_name(message)}\n" + (f"  hint: {escape_name(hint)}\n" if hint else "")
    try:
        sys.stderr.write(lines)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody listens on standard error; the exit code still tells


def show_warning(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
    """Stands for `warnings.showwarning`: ours are notices, and those of libraries are not for users."""
    if category.__module__.partition(".")[0] == "codeseek":
        notice(str(message))


def is_terminal(stream: TextIO) -> bool:
    return hasattr(stream, "isatty") and not stream.closed and stream.isatty()


def wants_color(stream: TextIO) -> bool:
    """Whether to colour: a terminal that is not dumb, and no NO_COLOR (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def confirm(question: str) -> bool:
    """Ask on standard error; anything but yes is no, and so is the lack of a terminal to ask on."""
    if not is_terminal(sys.stdin):
        return False
    sys.stderr.write(f"codeseek: {escape_name(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
