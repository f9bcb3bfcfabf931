"""`codeseek index`."""

from __future__ import annotations

from typing import Annotated

import typer

from codeseek.cli.choices import DEVICES, parse_choice
from codeseek.cli.options import DeviceOption, EncoderOption, RootArgument, new_app
from codeseek.cli.places import index_root
from codeseek.cli.progress import BUILD_INTERRUPTED, ProgressReport
from codeseek.cli.streams import notice
from codeseek.cli.tables import format_size, format_table
from codeseek.config import load_config, parse_size
from codeseek.errors import UsageError
from codeseek.files import MAX_FILE_BYTES
from codeseek.types import BuildReport, SkipReason

app = new_app()


@app.command(epilog="Example: codeseek index ~/src/project")
def index(
    root: RootArgument = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Begin anew instead of updating what changed.")] = False,
    max_file_size: Annotated[
        str | None, typer.Option("--max-file-size", metavar="SIZE", help="Skip files above SIZE from now on: 500k, 2M.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="List the skipped files with their reasons.")
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
    max_file_bytes = None if max_file_size is None else _size(max_file_size)
    with ProgressReport(f"indexing {folder}", quiet_s=0, interrupted=BUILD_INTERRUPTED) as progress:
        report = build_index(
            folder,
            model,
            encoder_name=model.name,
            rebuild=rebuild,
            progress=progress,
            max_file_bytes=max_file_bytes,
            default_max_file_bytes=config.max_file_size or MAX_FILE_BYTES,
        )
    for note in report.notes:
        notice(note)
    notice(_summary(report, progress.seconds))
    if verbose:
        notice(_times(report))
        for line in _skipped_table(report).splitlines():
            notice(line)
    return 0


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--max-file-size got {text!r}", hint="write bytes, or a size such as 500k or 2M") from error


def _summary(report: BuildReport, seconds: float) -> str:
    skipped: dict[SkipReason, int] = {}
    for entry in report.skipped:
        skipped[entry.reason] = skipped.get(entry.reason, 0) + 1
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(skipped.items(), key=lambda item: -item[1]))
    return (
        f"{report.files:,} files, {report.chunks:,} chunks, {format_size(report.size_bytes)} in {seconds:.1f} s: "
        f"{report.updated_files:,} files updated, {report.removed_files:,} removed, {report.encoded:,} texts encoded"
        + (f"; skipped: {reasons} (list them: --verbose)" if skipped else "")
    )


def _times(report: BuildReport) -> str:
    return "seconds: " + ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in report.seconds.items())


def _skipped_table(report: BuildReport) -> str:
    return format_table(
        [(f"skipped {entry.path}", f"{entry.reason} {entry.detail}".strip()) for entry in report.skipped]
    )
