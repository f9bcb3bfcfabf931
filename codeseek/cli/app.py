"""The table of commands, and the way from an argument list to an exit code.

A command's module is imported when it is the one that runs: `codeseek --help` reads the table alone.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from codeseek import __version__
from codeseek.cli.failures import EXIT_ERROR, report_failure, report_misuse
from codeseek.cli.options import new_app
from codeseek.cli.streams import prepare_streams, show_warning
from codeseek.device import DeviceWarning
from codeseek.errors import UsageError


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the table; `module` holds a typer application named `app`."""

    name: str
    module: str
    summary: str


COMMANDS = (
    Command("index", "codeseek.cli.index", "Build or update the index of a repository."),
    Command("search", "codeseek.cli.search", "Find code by a description or a symbol."),
    Command("similar", "codeseek.cli.similar", "Find code like the code at FILE:LINE."),
    Command("status", "codeseek.cli.status", "Show what an index holds, or check it against itself."),
    Command("languages", "codeseek.cli.languages", "List the languages that are cut by their syntax."),
    Command("doctor", "codeseek.cli.doctor", "Check what works on this machine."),
    Command("clean", "codeseek.cli.clean", "Delete indexes."),
    Command("mine", "codeseek.cli.mine", "Turn repositories into training pairs."),
    Command("train", "codeseek.cli.train", "Train the dual-encoder, the cross-encoder, or an encoder of documents."),
    Command("evaluate", "codeseek.cli.evaluate", "Measure the search on a data set or on your own repository."),
)


class ClosedPipe(Exception):
    """The reader of standard output has gone. Typer would answer a BrokenPipeError itself, with exit code 1."""


class LazyGroup(TyperGroup):
    """The top level; its commands are loaded by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [command.name for command in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for command in COMMANDS:
            if command.name == cmd_name:
                loaded = get_command(importlib.import_module(command.module).app)
                loaded.name, loaded.short_help = command.name, command.summary
                return loaded
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            raise _unknown_command(name)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            outcome = super().invoke(ctx)
            sys.stdout.flush()  # here, so that a full disk or a closed pipe is answered as anywhere else
            return outcome
        except BrokenPipeError as error:
            raise ClosedPipe from error

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.summary) for command in COMMANDS])


def _unknown_command(name: str) -> UsageError:
    from codeseek.cli.choices import nearest

    close = nearest(name, [command.name for command in COMMANDS])
    if close and " " not in name:
        return UsageError(f"no such command: {name}", hint=f"did you mean codeseek {close}?")
    return UsageError(f"no such command: {name}", hint=f'to search: codeseek search "{name}"')


def _show_version(shown: bool) -> None:
    if shown:
        typer.echo(f"codeseek {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Find the function that you describe in your own words, in a local repository, offline."""


def build_app() -> typer.Typer:
    """Returns the top level, with shell completion for bash, zsh and fish."""
    app = new_app(cls=LazyGroup, add_completion=True)
    app.callback(epilog='Example: codeseek search "how are failed requests retried"')(_top)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: What was typed after `codeseek`.

    Returns:
        The exit code: 0 hits or success, 1 no hit, 2 error, 130 interrupted.
    """
    arguments, debug = _take_debug(list(arguments))
    prepare_streams()
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("always", DeviceWarning)
                warnings.showwarning = show_warning
            outcome = get_command(build_app()).main(
                args=arguments or ["--help"], prog_name="codeseek", standalone_mode=False
            )
        return outcome if isinstance(outcome, int) else 0
    except typer.TyperException as error:
        return report_misuse(error)
    except typer.Abort:
        return EXIT_ERROR
    except ClosedPipe:
        return _leave_closed_pipe()
    except Exception as error:
        if debug:
            raise
        return report_failure(error)


def _leave_closed_pipe() -> int:
    """The reader has what it wanted, as `| head -1` does: nothing is said, and nothing went wrong."""
    # The interpreter flushes standard output once more on its way out, and would complain there.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """`--debug` may stand anywhere before `--`, also behind the command."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    typed = [argument for argument in arguments[:end] if argument != "--debug"]
    debug = len(typed) < end or os.environ.get("CODESEEK_DEBUG", "") not in ("", "0")
    return typed + arguments[end:], debug
