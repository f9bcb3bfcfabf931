"""`paths`: each file once, best hit first, for pipes into other tools."""

from __future__ import annotations

from typing import TextIO

from codeseek.printers import Style, Summary
from codeseek.printers.escapes import escape_name
from codeseek.types import Answer


class PathsPrinter:
    def __init__(self, out: TextIO, style: Style) -> None:
        self._out = out
        self._style = style

    def print_answer(self, answer: Answer) -> None:
        for path in dict.fromkeys(hit.path for hit in answer.hits):
            self._out.write(escape_name(self._style.locate(path)) + "\n")
        self._out.flush()

    def print_summary(self, summary: Summary) -> None:
        """Nothing: every line is a path."""


def open_printer(out: TextIO, style: Style) -> PathsPrinter:
    return PathsPrinter(out, style)
