"""`codeseek mine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codeseek.cli.choices import DEVICES, parse_choice, parse_choices
from codeseek.cli.options import DeviceOption, EncoderOption, new_app
from codeseek.cli.progress import ProgressReport
from codeseek.cli.streams import notice
from codeseek.cli.tables import counted
from codeseek.config import load_config
from codeseek.errors import UsageError

app = new_app()


@app.command(no_args_is_help=True, epilog="Example: codeseek mine ~/src/app ~/src/library --out pairs")
def mine(
    roots: Annotated[list[Path], typer.Argument(metavar="ROOT...", help="Repositories, with or without history.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the splits are written.")],
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kinds", metavar="KIND", help="Sources: documentation,commit,test.  [default: all]"),
    ] = None,
    questions: Annotated[
        list[Path] | None,
        typer.Option("--questions", metavar="FILE", help="Written questions too, tab-separated; repeatable."),
    ] = None,
    variants: Annotated[
        bool, typer.Option("--variants/--no-variants", help="Also without the function's name, and as keywords.")
    ] = True,
    bare_share: Annotated[
        float,
        typer.Option(
            "--bare-share", metavar="X", min=0, max=1, help="Share of documented code served without documentation."
        ),
    ] = 0.75,
    depth: Annotated[int, typer.Option("--depth", metavar="N", min=1, help="Documents kept of each ranking.")] = 60,
    dev_share: Annotated[
        float,
        typer.Option("--dev-share", metavar="X", min=0, max=1, help="Share of the repositories kept for development."),
    ] = 0.1,
    max_pairs: Annotated[
        int,
        typer.Option(
            "--max-pairs", metavar="N", min=0, help="Pairs of one repository, beside questions, at most; 0 for all."
        ),
    ] = 0,
    max_chunks: Annotated[
        int, typer.Option("--max-chunks", metavar="N", min=0, help="Chunks of one repository, at most; 0 for all.")
    ] = 0,
    max_commits: Annotated[
        int, typer.Option("--max-commits", metavar="N", min=0, help="Commits read, the newest first.")
    ] = 2000,
    reader: Annotated[
        str, typer.Option("--for", metavar="MODEL", help="Write the texts that this model reads: cross or dual.")
    ] = "cross",
    exclude: Annotated[
        Path | None,
        typer.Option(
            "--exclude", metavar="FILE", help="Refuse these too, one owner/name a line; the default list stays."
        ),
    ] = None,
    no_vectors: Annotated[
        bool, typer.Option("--no-vectors", help="Find negatives by words alone; encodes nothing.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of what is drawn at random.")] = 0,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
) -> int:
    """Turn repositories into training pairs, with negatives that the real retriever finds in them."""
    from codeseek.evaluate.models import load_models
    from codeseek.paths import resolve_root
    from codeseek.train.exclusions import load_exclusions
    from codeseek.train.mining import KINDS, MiningOptions, Reader, mine_repositories
    from codeseek.train.written_queries import load_questions

    config = load_config()
    options = MiningOptions(
        kinds=tuple(kind for kind in KINDS if kind in (parse_choices("--kinds", kinds or [], KINDS) or KINDS)),
        variants=variants,
        bare_share=bare_share,
        depth=depth,
        dev_share=dev_share,
        max_pairs=max_pairs,
        max_chunks=max_chunks,
        max_commits=max_commits,
        reader=Reader(parse_choice("--for", reader, [one.value for one in Reader])),
        seed=seed,
    )
    folders = [resolve_root(root) for root in roots]
    if len(set(folders)) < len(folders):
        raise UsageError("a repository is named twice", hint="name each repository once")
    exclusions = load_exclusions(exclude)
    written = load_questions(questions or [])
    models = load_models(
        None if no_vectors else encoder or config.encoder,
        None,
        parse_choice("--device", device or config.device, DEVICES),
        vectors=not no_vectors,
        rerank=False,
    )
    with ProgressReport(f"mining {counted(len(folders), 'repository', 'repositories')}", quiet_s=0) as progress:
        report = mine_repositories(
            folders,
            out,
            models.encoder,
            options,
            exclusions,
            questions=written,
            blend=models.blend,
            progress=progress,
        )
        seconds = progress.seconds
    for name, facts in report.repositories.items():
        notice(f"{name}: {facts['pairs']:,} pairs of {facts['chunks']:,} chunks, {facts['split']}")
    for reason, count in report.rejected.most_common():
        notice(f"left out {count:,}: {reason}")
    kinds_found = ", ".join(f"{count:,} {kind}" for kind, count in report.kinds.most_common())
    notice(
        f"{report.pairs['train']:,} training and {report.pairs['dev']:,} development pairs in {out} "
        f"({kinds_found}) in {seconds:.0f} s"
    )
    return 0
