"""Output formats: from an answer to text on a stream.

Each module holds one `Printer`. Formats for people and for editors show control characters as escapes; JSON keeps them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from codeseek.types import Answer, Freshness

__all__ = ["Printer", "QueryOutcome", "Style", "Summary", "open_printer"]


@dataclass(frozen=True, slots=True)
class Style:
    """How hits are shown.

    `locate` turns a path relative to the root into the path that the user can open from where they are. `context` is
    the number of code lines a hit, None for the format's own default. `width` is in columns, 0 to ask the terminal.
    """

    locate: Callable[[str], str] = str
    context: int | None = None
    explain: bool = False
    batch: bool = False
    color: bool = False
    width: int = 0


@dataclass(frozen=True, slots=True)
class QueryOutcome:
    """What the summary says of one query."""

    query_id: str
    hits: int
    searched_chunks: int
    no_good_match: bool
    timings_ms: dict[str, float]

    @classmethod
    def of(cls, answer: Answer) -> QueryOutcome:
        return cls(
            answer.query_id,
            len(answer.hits),
            answer.searched_chunks,
            answer.no_good_match,
            {stage: round(ms, 3) for stage, ms in answer.timings_ms.items()},
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """What is said after the last answer.

    `seconds` is the wall time of the command, index update included; `lag` says why the index could not be brought up
    to date, "" where it was.
    """

    root: Path
    freshness: Freshness
    built: bool
    outcomes: tuple[QueryOutcome, ...]
    seconds: float
    lag: str = ""


class Printer(Protocol):
    """Prints answers in the order given, then the summary once."""

    def print_answer(self, answer: Answer) -> None: ...

    def print_summary(self, summary: Summary) -> None: ...


def open_printer(name: str, out: TextIO, style: Style) -> Printer:
    """Returns the printer of the format `name` (`cli.choices.FORMATS`); rich is loaded for `terminal` alone."""
    return importlib.import_module(f"codeseek.printers.{name}").open_printer(out, style)
