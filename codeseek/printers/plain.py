"""`plain`: `path:start-end  kind name`, a line a hit, for pipes and logs."""

from __future__ import annotations

from typing import TextIO

from codeseek.printers import Style, Summary
from codeseek.printers.escapes import escape_code, escape_name
from codeseek.printers.excerpts import excerpt
from codeseek.types import Answer, Hit


class PlainPrinter:
    def __init__(self, out: TextIO, style: Style) -> None:
        self._out = out
        self._style = style

    def print_answer(self, answer: Answer) -> None:
        prefix = f"{escape_name(answer.query_id)}\t" if self._style.batch else ""
        for hit in answer.hits:
            self._out.write(prefix + self._line(hit) + "\n")
            if self._style.explain:
                self._out.write(f"    {explanation(hit)}\n")
            for number, code in excerpt(hit, self._style.context or 0):
                self._out.write(f"    {number}  {escape_code(code)}".rstrip() + "\n")
        self._out.flush()

    def print_summary(self, summary: Summary) -> None:
        """Nothing: every line belongs to a hit."""

    def _line(self, hit: Hit) -> str:
        place = f"{escape_name(self._style.locate(hit.path))}:{hit.span.start_line}-{hit.span.end_line}"
        return f"{place}  {hit.kind} {escape_name(hit.name)}".rstrip()


def explanation(hit: Hit) -> str:
    """Returns the score, who found the hit, and each stage's score of it, on one line."""
    stages = " ".join(f"{escape_name(stage)}={score:.4g}" for stage, score in hit.stages.items())
    return f"score={hit.score:.3f} found_by={'+'.join(hit.found_by)} {stages}".rstrip()


def open_printer(out: TextIO, style: Style) -> PlainPrinter:
    return PlainPrinter(out, style)
