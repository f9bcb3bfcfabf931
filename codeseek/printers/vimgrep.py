"""`vimgrep`: `path:line:column:text`, as `grepprg` and quickfix readers expect; column is 1-based and in bytes."""

from __future__ import annotations

from typing import TextIO

from codeseek.printers import Style, Summary
from codeseek.printers.escapes import escape_code, escape_name
from codeseek.printers.excerpts import headline
from codeseek.types import Answer


class VimgrepPrinter:
    def __init__(self, out: TextIO, style: Style) -> None:
        self._out = out
        self._style = style

    def print_answer(self, answer: Answer) -> None:
        for hit in answer.hits:
            line, text = headline(hit)
            # What stands before the code is spaces and tabs, a byte each.
            column = len(text) - len(text.lstrip(" \t")) + 1
            path = escape_name(self._style.locate(hit.path))
            self._out.write(f"{path}:{line}:{column}:{escape_code(text.strip())}\n")
        self._out.flush()

    def print_summary(self, summary: Summary) -> None:
        """Nothing: every line is a place."""


def open_printer(out: TextIO, style: Style) -> VimgrepPrinter:
    return VimgrepPrinter(out, style)
