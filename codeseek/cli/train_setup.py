"""From what was typed to a training job, and how a running one is told and ended."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer

from codeseek.errors import UsageError

# As of a shell's child that SIGINT ended.
EXIT_INTERRUPTED = 130


def read_data(
    pairs: Path,
    documents: Path | None,
    ranking: Path | None,
    depth: int,
    teacher: Path | None,
    query_tokens: int,
    document_tokens: int,
) -> Any:
    from codeseek.train.plans import Data

    return Data(
        pairs=pairs,
        documents=documents,
        ranking=ranking,
        depth=depth,
        teacher=teacher,
        query_max_tokens=query_tokens,
        document_max_tokens=document_tokens,
    )


def read_development(pairs: Path | None, documents: Path | None, ranking: Path | None, queries: int, depth: int) -> Any:
    from codeseek.train.plans import Development

    if pairs is None and ranking is None:
        return None
    if pairs is None or ranking is None:
        raise UsageError("development needs pairs and a first stage", hint="give both --dev-pairs and --dev-ranking")
    return Development(pairs, documents, ranking, queries, depth)


def read_loop(typed: Mapping[str, Any]) -> Any:
    """The options of the loop among all that a command takes: they bear its names."""
    from codeseek.train.loop import LoopOptions

    return LoopOptions(**{one.name: typed[one.name] for one in fields(LoopOptions) if one.name in typed})


def read_window(lambda_: float, size: int, absolute: float | None, relative: float | None) -> Any:
    from codeseek.train.sampling import WindowSettings

    return WindowSettings(lambda_=lambda_, size=size, absolute_margin=absolute, relative_margin=relative)


def read_trunk(
    model: Path, layers: str, attention: str, dropout: float, freeze_tokens: bool, freeze_layers: int
) -> Any:
    from codeseek.cli.choices import parse_choice
    from codeseek.train.models import TrunkOptions, choose_layers

    return TrunkOptions(
        layers=choose_layers(model, layers),
        attention=parse_choice("--attention", attention, ("sdpa", "eager")),
        dropout=dropout,
        freeze_tokens=freeze_tokens,
        freeze_layers=freeze_layers,
    )


def wants_bf16(precision: str, device: str) -> bool:
    from codeseek.cli.choices import parse_choice
    from codeseek.train.models import bf16_is_faster

    parse_choice("--precision", precision, ("auto", "bf16", "fp32"))
    return bf16_is_faster(device) if precision == "auto" else precision == "bf16"


def print_line(line: Mapping[str, Any]) -> None:
    shown = (f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in line.items())
    typer.echo("codeseek: " + "  ".join(shown), err=True)


class Interruptible:
    """The first interruption of a trainer writes a checkpoint and ends the run; the second one kills it."""

    def __init__(self) -> None:
        self._trainer: Any = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruptible:
        return self

    def __exit__(self, *failure: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def _stop(self, number: int, frame: Any) -> None:
        self._trainer.stop()
        signal.signal(number, signal.SIG_DFL)
        typer.echo("codeseek: stopping after this step; go on with --resume", err=True)

    @property
    def exit_code(self) -> int:
        return EXIT_INTERRUPTED if self._trainer.stopped else 0
