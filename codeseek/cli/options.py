"""Options that several commands share, and what the shell completes for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from codeseek.cli.choices import DEVICES, OUTPUT_FORMATS, known_kinds, known_languages


def new_app(**settings: Any) -> typer.Typer:
    """Returns a typer application without rich: its help would cost 0.1 s of imports, and errors are ours to print."""
    defaults: dict[str, Any] = {
        "add_completion": False,
        "rich_markup_mode": None,
        "pretty_exceptions_enable": False,
        "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
    }
    return typer.Typer(**{**defaults, **settings})


def _starting_with(choices: Sequence[str], incomplete: str) -> list[str]:
    """Completes the last value of a comma-separated list."""
    typed, comma, last = incomplete.rpartition(",")
    return [typed + comma + choice for choice in choices if choice.startswith(last)]


def complete_format(incomplete: str) -> list[str]:
    return _starting_with(OUTPUT_FORMATS, incomplete)


def complete_kind(incomplete: str) -> list[str]:
    return _starting_with(known_kinds(), incomplete)


def complete_language(incomplete: str) -> list[str]:
    return _starting_with(known_languages(), incomplete)


def complete_device(incomplete: str) -> list[str]:
    return _starting_with(DEVICES, incomplete)


RootArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[ROOT]", help="The repository; without it, the one that holds the current folder."),
]
RootOption = Annotated[
    Path | None,
    typer.Option("--root", metavar="DIR", help="Search this folder, not the repository around the current one."),
]
LimitOption = Annotated[
    int | None, typer.Option("-n", "--limit", metavar="N", min=1, max=1000, help="At most N hits.  [default: 10]")
]
LanguageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--lang",
        metavar="NAME",
        autocompletion=complete_language,
        help="Only these languages, by name or file extension: go,rs; repeatable.",
    ),
]
GlobOption = Annotated[
    list[str] | None,
    typer.Option("-g", "--glob", metavar="GLOB", help="Only files that match, as in .gitignore; !GLOB leaves out."),
]
KindOption = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        autocompletion=complete_kind,
        help=f"Only these kinds: {', '.join(known_kinds())}; repeatable.",
    ),
]
ContextOption = Annotated[
    int | None,
    typer.Option(
        "-C",
        "--context",
        metavar="N",
        min=0,
        max=1000,
        help="Show N lines of each hit's code.  [default: 5 on a terminal]",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        autocompletion=complete_format,
        help=f"One of {', '.join(OUTPUT_FORMATS)}.  [default: terminal on a terminal, plain in a pipe]",
    ),
]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Show each stage's score of each hit.")]
MinScoreOption = Annotated[
    float | None,
    typer.Option("--min-score", metavar="P", min=0.0, max=1.0, help="Drop hits below P; exit 1 when none is left."),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        autocompletion=complete_device,
        help=f"One of {', '.join(DEVICES)}.  [default: auto]",
    ),
]
EncoderOption = Annotated[
    str | None,
    typer.Option("--encoder", metavar="MODEL", help="A folder or hub id of another dual-encoder."),
]
RankerOption = Annotated[
    str | None,
    typer.Option("--ranker", metavar="MODEL", help="A folder or hub id of another cross-encoder."),
]
