"""`terminal`: a heading a hit and a few highlighted lines of its code, for people."""

from __future__ import annotations

import textwrap
from typing import TextIO

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from codeseek.printers import Style, Summary
from codeseek.printers.escapes import escape_code, escape_name
from codeseek.printers.excerpts import excerpt
from codeseek.printers.plain import explanation
from codeseek.types import Answer, Hit

CONTEXT_LINES = 5
TAB_COLUMNS = 4
# Of a line, beyond the width of the terminal. A string that ends there is highlighted as one; a megabyte in one line
# would take Pygments and rich seconds.
UNSEEN_MAX_CHARS = 500
# Sixteen colours that every theme defines; others are unreadable on half of all backgrounds.
CODE_THEME = "ansi_dark"
# Our names of languages where Pygments' lexer has another.
_LEXERS = {"php": "php", "tsx": "tsx", "jsx": "jsx", "csharp": "csharp", "c_sharp": "csharp"}


class TerminalPrinter:
    def __init__(self, out: TextIO, style: Style) -> None:
        self._style = style
        self._console = Console(
            file=out,
            width=style.width or None,
            force_terminal=True if style.color else None,
            no_color=not style.color,
            color_system="auto" if style.color else None,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=False,
        )

    def print_answer(self, answer: Answer) -> None:
        if self._style.batch:
            self._console.print(Text(f"{escape_name(answer.query_id)}: {escape_name(answer.query)}", style="bold"))
        for hit in answer.hits:
            self._print_hit(hit)

    def print_summary(self, summary: Summary) -> None:
        """Nothing: what is left to say goes to standard error."""

    def _print_hit(self, hit: Hit) -> None:
        place = f"{escape_name(self._style.locate(hit.path))}:{hit.span.start_line}-{hit.span.end_line}"
        heading = Text.assemble(
            (place, "magenta"), "  ", (f"{hit.kind} ", "dim"), (escape_name(hit.name), "bold"), f"  {hit.score:.2f}"
        )
        # A path that is broken over two lines can be neither clicked nor copied.
        self._console.print(heading, overflow="ignore", no_wrap=True, crop=False)
        if self._style.explain:
            for line in textwrap.wrap(explanation(hit), max(self._console.width - 2, 20), break_long_words=False):
                self._console.print(Text(f"  {line}", style="dim"), no_wrap=True, overflow="ignore", crop=False)
        count = CONTEXT_LINES if self._style.context is None else self._style.context
        lines = excerpt(hit, count)
        if not hit.text:
            self._console.print(Text("  gone or changed since it was indexed", style="dim"))
        elif lines:
            self._print_code(hit, lines)
        self._console.print()

    def _print_code(self, hit: Hit, lines: list[tuple[int, str]]) -> None:
        digits = len(str(lines[-1][0]))
        columns = max(self._console.width - digits - 4, 20)
        code = [escape_code(_cut(line, columns + UNSEEN_MAX_CHARS)).expandtabs(TAB_COLUMNS) for _, line in lines]
        margin = min((len(line) - len(line.lstrip(" ")) for line in code if line.strip()), default=0)
        highlighted = self._highlight("\n".join(line[margin:] for line in code), hit.language)
        for (number, _), row in zip(lines, highlighted.split("\n", allow_blank=True), strict=False):
            row.truncate(columns, overflow="ellipsis")
            self._console.print(
                Text.assemble((f"  {number:>{digits}}  ", "dim"), row), no_wrap=True, overflow="ignore", crop=False
            )

    def _highlight(self, code: str, language: str | None) -> Text:
        if not self._style.color or not language:
            return Text(code)
        return Syntax("", _LEXERS.get(language, language), theme=CODE_THEME, background_color="default").highlight(code)


def _cut(line: str, max_chars: int) -> str:
    # The mark is seen only where so many characters take less than the width, as combining ones do.
    return line if len(line) <= max_chars else f"{line[:max_chars]}…"


def open_printer(out: TextIO, style: Style) -> TerminalPrinter:
    return TerminalPrinter(out, style)
