"""`jsonl`: a line a hit as soon as its query is answered, then the summary line."""

from __future__ import annotations

from typing import TextIO

from codeseek.printers import Style, Summary
from codeseek.printers.records import hit_record, summary_record, to_json
from codeseek.types import Answer


class JsonLinesPrinter:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def print_answer(self, answer: Answer) -> None:
        for hit in answer.hits:
            self._out.write(to_json(hit_record(hit, answer.query_id)) + "\n")
        self._out.flush()

    def print_summary(self, summary: Summary) -> None:
        self._out.write(to_json(summary_record(summary)) + "\n")
        self._out.flush()


def open_printer(out: TextIO, style: Style) -> JsonLinesPrinter:
    return JsonLinesPrinter(out)
