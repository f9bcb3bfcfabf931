"""`codeseek similar FILE:LINE`."""

from __future__ import annotations

from typing import Annotated

import typer

from codeseek.cli.answering import SearchArguments, plan_similar, run_similar
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
    RootOption,
    new_app,
)

app = new_app()


@app.command(epilog="Example: codeseek similar src/walk.py:40")
def similar(
    place: Annotated[str, typer.Argument(metavar="FILE:LINE", help="A line of the code that hits should resemble.")],
    limit: LimitOption = None,
    root: RootOption = None,
    lang: LanguageOption = None,
    glob: GlobOption = None,
    kind: KindOption = None,
    context: ContextOption = None,
    format: FormatOption = None,
    min_score: MinScoreOption = None,
    explain: ExplainOption = False,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
) -> int:
    """Find code like the code at FILE:LINE, in the repository that holds FILE."""
    arguments = SearchArguments(
        limit=limit,
        root=root,
        lang=tuple(lang or ()),
        glob=tuple(glob or ()),
        kind=tuple(kind or ()),
        context=context,
        format=format,
        min_score=min_score,
        explain=explain,
        device=device,
        encoder=encoder,
    )
    return run_similar(plan_similar(place, arguments))
