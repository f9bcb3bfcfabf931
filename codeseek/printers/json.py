"""`json`: one document, {"schema", "hits", "summary"}; the records are those of `jsonl`."""

from __future__ import annotations

from typing import Any, TextIO

from codeseek.printers import Style, Summary
from codeseek.printers.records import SCHEMA, hit_record, summary_record, to_json
from codeseek.types import Answer


class JsonPrinter:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._hits: list[dict[str, Any]] = []

    def print_answer(self, answer: Answer) -> None:
        self._hits.extend(hit_record(hit, answer.query_id) for hit in answer.hits)

    def print_summary(self, summary: Summary) -> None:
        document = {"schema": SCHEMA, "hits": self._hits, "summary": summary_record(summary)}
        self._out.write(to_json(document, indent=2) + "\n")
        self._out.flush()


def open_printer(out: TextIO, style: Style) -> JsonPrinter:
    return JsonPrinter(out)
