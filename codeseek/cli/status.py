"""`codeseek status`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codeseek.cli.choices import parse_choice
from codeseek.cli.failures import EXIT_ERROR
from codeseek.cli.options import EncoderOption, RootArgument, new_app
from codeseek.cli.places import index_root
from codeseek.cli.streams import notice, results_stream
from codeseek.cli.tables import counted, format_size, format_table
from codeseek.config import load_config
from codeseek.files import MAX_FILE_BYTES

if TYPE_CHECKING:
    from codeseek.maintenance import Changes, IndexStatus

app = new_app()


@app.command(epilog="Example: codeseek status --check")
def status(
    root: RootArgument = None,
    check: Annotated[bool, typer.Option("--check", help="Read all of the index and verify it against itself.")] = False,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="plain or json.")] = "plain",
    encoder: EncoderOption = None,
) -> int:
    """Show what an index holds, or check it against itself; exits with 2 if something is wrong with it."""
    from codeseek.encoders import LazyEncoder
    from codeseek.maintenance import count_changes, index_status

    as_json = parse_choice("--format", format, ("plain", "json")) == "json"
    folder = index_root(root)
    config = load_config()
    model = LazyEncoder(encoder or config.encoder, "cpu").name
    problems: list[str] | None = None
    if check:
        from codeseek.verify import verify_index

        problems = verify_index(folder, model)
    found, changes = None, None
    if not problems:
        found = index_status(folder, model)
        changes = count_changes(folder, config.max_file_size or MAX_FILE_BYTES)
    out = results_stream(utf8=as_json)
    if as_json:
        from codeseek.printers.records import to_json

        out.write(to_json(_record(found, changes, model, problems), indent=2) + "\n")
    elif found is not None and changes is not None:
        out.write(format_table(_rows(found, changes, model)))
    for problem in problems or ():
        notice(problem)
    if problems:
        notice(
            f"{counted(len(problems), 'problem')} in the index of {folder}", hint=f"codeseek index --rebuild {folder}"
        )
        return EXIT_ERROR
    if check:
        notice("the index is sound")
    return 0


def _rows(found: IndexStatus, changes: Changes, model: str) -> list[tuple[str, str]]:
    coverage = found.vectors / found.chunks if found.chunks else 1.0
    return [
        ("root", str(found.root)),
        ("index", str(found.folder)),
        ("format", str(found.format)),
        ("files", f"{found.files:,}"),
        ("chunks", f"{found.chunks:,}"),
        ("vectors", f"{found.vectors:,} ({coverage:.0%} of the chunks)"),
        ("encoder", model),
        ("languages", _counts(found.languages)),
        ("skipped", _counts({str(reason): count for reason, count in found.skipped.items()}) or "nothing"),
        ("size", format_size(found.size_bytes)),
        ("updated", _moment(found.built_s) if found.built_s else "never"),
        ("freshness", _freshness(changes, found.chunks - found.vectors)),
        *([("builder", f"process {found.builder} is building it now")] if found.builder is not None else []),
    ]


def _record(
    found: IndexStatus | None, changes: Changes | None, model: str, problems: list[str] | None
) -> dict[str, Any]:
    record: dict[str, Any] = {}
    if found is not None:
        record = {
            "root": str(found.root),
            "folder": str(found.folder),
            "format": found.format,
            "files": found.files,
            "chunks": found.chunks,
            "vectors": found.vectors,
            "encoder": model,
            "languages": dict(found.languages),
            "skipped": {str(reason): count for reason, count in found.skipped.items()},
            "size_bytes": found.size_bytes,
            "built_s": found.built_s,
            "builder": found.builder,
        }
    if changes is not None:
        record["changes"] = {"changed": changes.changed, "new": changes.new, "removed": changes.removed}
    return record if problems is None else {**record, "problems": problems}


def _freshness(changes: Changes, without_vector: int) -> str:
    missing = "1 chunk has" if without_vector == 1 else f"{without_vector:,} chunks have"
    incomplete = f"incomplete: {missing} no vector yet" if without_vector > 0 else ""
    if not changes:
        return incomplete or "up to date"
    counts = {"changed": changes.changed, "new": changes.new, "removed": changes.removed}
    listed = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"{incomplete}{'; ' if incomplete else ''}{listed} since then; the next search updates them"


def _counts(counts: Any) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return ", ".join(f"{name or 'other text'} {count:,}" for name, count in ordered)


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
