"""`codeseek index`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from codeseek.cli.choices import DEVICES, parse_choice
from codeseek.cli.options import DeviceOption, EncoderOption, RootArgument, new_app
from codeseek.cli.places import index_root
from codeseek.cli.progress import BUILD_INTERRUPTED, ProgressReport
from codeseek.cli.streams import notice
from codeseek.cli.tables import counted, format_size, format_table
from codeseek.config import load_config, parse_size
from codeseek.errors import FileError, IndexLocked, UsageError
from codeseek.files import MAX_FILE_BYTES
from codeseek.memory import DEFAULT_MEMORY_BYTES, limit_memory
from codeseek.types import BuildReport, Progress, SkipReason

app = new_app()

LOCK_WAIT_S = 2.0  # then the user is told what is waited for
UPDATE_QUIET_S = 5.0  # an update that takes longer, as after a switch of branches, says so before it is done


@app.command(epilog="Example: codeseek index ~/src/project")
def index(
    root: RootArgument = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Start over instead of updating what changed.")] = False,
    max_file_size: Annotated[
        str | None,
        typer.Option(
            "--max-file-size", metavar="SIZE", help="Skip files above SIZE from now on: 500k, 2M.  [default: 1M]"
        ),
    ] = None,
    memory: Annotated[
        str | None, typer.Option("--memory", metavar="SIZE", help="Take no more memory than SIZE: 1G, 4G.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="List the skipped files with their reasons.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and follow changes until Ctrl-C; WATCHFILES_FORCE_POLLING=1 polls.")
    ] = False,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
) -> int:
    """Build or update the index of a repository; only changed content is encoded again."""
    from codeseek.build import build_index
    from codeseek.encoders import LazyEncoder

    config = load_config()
    folder = index_root(root)
    model = LazyEncoder(encoder or config.encoder, parse_choice("--device", device or config.device, DEVICES))
    max_file_bytes = None if max_file_size is None else _size("--max-file-size", max_file_size)
    memory_bytes = None if memory is None else _size("--memory", memory)
    update = partial(
        build_index,
        folder,
        model,
        encoder_name=model.name,
        default_max_file_bytes=config.max_file_size or MAX_FILE_BYTES,
        memory_bytes=memory_bytes or DEFAULT_MEMORY_BYTES,
    )
    build = partial(update, rebuild=rebuild, max_file_bytes=max_file_bytes)
    with limit_memory(memory_bytes) if memory_bytes else nullcontext():
        if watch:
            _build_and_follow(folder, build, update, verbose)
        else:
            _build(folder, build, verbose)
    return 0


def _build(
    folder: Path, build: Callable[..., BuildReport], verbose: bool, drain: Callable[[], None] | None = None
) -> None:
    with ProgressReport(f"indexing {folder}", quiet_s=0, interrupted=BUILD_INTERRUPTED) as progress:
        report = _when_unlocked(build, progress, drain)
    for note in report.notes:
        notice(note)
    notice(_summary(report, progress.seconds))
    if verbose:
        notice(_times(report))
        for line in _skipped_table(report).splitlines():
            notice(line)


def _build_and_follow(
    folder: Path, build: Callable[..., BuildReport], update: Callable[..., BuildReport], verbose: bool
) -> None:
    """Builds, then updates until Ctrl-C. What changes during the build is followed as well."""
    from codeseek.watch import FileChanges, follow_changes

    def update_once() -> BuildReport:
        with ProgressReport(f"updating {folder}", quiet_s=UPDATE_QUIET_S, interrupted=BUILD_INTERRUPTED) as progress:
            report = _when_unlocked(update, progress, changes.drain)
        _tell_update(report, progress.seconds)
        return report

    with closing(FileChanges(folder)) as changes:
        _build(folder, build, verbose, changes.drain)
        notice(f"following changes below {folder}; Ctrl-C ends it")
        told = _tell_trouble(changes.trouble, None)
        for _ in follow_changes(folder, update_once, changes):
            told = _tell_trouble(changes.trouble, told)


def _when_unlocked(
    build: Callable[..., BuildReport], progress: Progress, drain: Callable[[], None] | None
) -> BuildReport:
    """As `build`, after whoever else builds the index now.

    What follows changes has a `drain`, and begins again whenever another process comes between. A single build that had
    begun does not: it would tell nothing of what it did before.
    """
    begun = told = False

    def call(stage: str, done: int, total: int) -> None:
        nonlocal begun
        begun = True
        if drain is not None:
            drain()
        progress(stage, done, total)

    while True:
        try:
            return build(progress=call, wait_s=LOCK_WAIT_S)
        except IndexLocked as error:
            if begun and drain is None:
                raise
            if not told:
                notice(f"{error}; waiting for it")
            told = True
            if drain is not None:
                drain()


def _tell_update(report: BuildReport, seconds: float) -> None:
    for note in report.notes:
        notice(note)
    if report.updated_files or report.removed_files or report.encoded:
        notice(
            f"{counted(report.updated_files, 'file')} updated, {report.removed_files:,} removed, "
            f"{counted(report.encoded, 'text')} encoded in {seconds:.1f} s"
        )


def _tell_trouble(trouble: FileError | None, told: str | None) -> str | None:
    """Says once why changes are found by comparing. Returns what has been said."""
    if trouble is not None and str(trouble) != told:
        notice(f"{trouble}; comparing all files every few seconds instead", hint=trouble.hint)
    return told if trouble is None else str(trouble)


def _size(option: str, text: str) -> int:
    try:
        return parse_size(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{option} is {text!r}, wanted a size", hint="write bytes, or a size such as 500k or 2M"
        ) from error


def _summary(report: BuildReport, seconds: float) -> str:
    skipped: dict[SkipReason, int] = {}
    for entry in report.skipped:
        skipped[entry.reason] = skipped.get(entry.reason, 0) + 1
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(skipped.items(), key=lambda item: -item[1]))
    holds = f"{counted(report.files, 'file')}, {counted(report.chunks, 'chunk')}, {format_size(report.size_bytes)}"
    updated, encoded = counted(report.updated_files, "file"), counted(report.encoded, "text")
    return f"{holds} in {seconds:.1f} s: {updated} updated, {report.removed_files:,} removed, {encoded} encoded" + (
        f"; skipped: {reasons} (list them: --verbose)" if skipped else ""
    )


def _times(report: BuildReport) -> str:
    return "seconds: " + ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in report.seconds.items())


def _skipped_table(report: BuildReport) -> str:
    return format_table(
        [(f"skipped {entry.path}", f"{entry.reason} {entry.detail}".strip()) for entry in report.skipped]
    )
