"""`codeseek search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codeseek.cli.answering import SearchArguments, plan_search, run_search
from codeseek.cli.options import (
    ContextOption,
    DeviceOption,
    EncoderOption,
    ExplainOption,
    FormatOption,
    GlobOption,
    KindOption,
    LanguageOption,
    LimitOption,
    MinScoreOption,
    RankerOption,
    RootOption,
    new_app,
)

app = new_app()


@app.command(epilog='Example: codeseek search -n 3 --lang python "how are failed requests retried" src')
def search(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="What the code does, or a symbol; - reads it from standard input.")
    ] = "",
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Only these files and folders.")
    ] = None,
    limit: LimitOption = None,
    root: RootOption = None,
    lang: LanguageOption = None,
    glob: GlobOption = None,
    kind: KindOption = None,
    context: ContextOption = None,
    format: FormatOption = None,
    no_rerank: Annotated[bool, typer.Option("--no-rerank", help="Leave out the cross-encoder.")] = False,
    depth: Annotated[
        int | None,
        typer.Option("--depth", metavar="N", min=1, max=1000, help="Rerank the first N candidates.  [default: 20]"),
    ] = None,
    budget_ms: Annotated[
        int | None, typer.Option("--budget-ms", metavar="MS", min=0, help="Rerank for at most this long.")
    ] = None,
    min_score: MinScoreOption = None,
    explain: ExplainOption = False,
    batch: Annotated[
        Path | None,
        typer.Option("--batch", metavar="FILE", help='Answer each line {"query_id", "query"}; - for standard input.'),
    ] = None,
    no_update: Annotated[
        bool, typer.Option("--no-update", help="Search the index as it is, even if files have changed since.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Answer only when every chunk has its vector, however long that takes.")
    ] = False,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
    ranker: RankerOption = None,
) -> int:
    """Find code by a description or a symbol; the index is built or brought up to date first."""
    arguments = SearchArguments(
        query=query,
        paths=tuple(paths or ()),
        limit=limit,
        root=root,
        lang=tuple(lang or ()),
        glob=tuple(glob or ()),
        kind=tuple(kind or ()),
        context=context,
        format=format,
        no_rerank=no_rerank,
        depth=depth,
        budget_ms=budget_ms,
        min_score=min_score,
        explain=explain,
        batch=batch,
        no_update=no_update,
        wait=wait,
        device=device,
        encoder=encoder,
        ranker=ranker,
    )
    return run_search(plan_search(arguments))
