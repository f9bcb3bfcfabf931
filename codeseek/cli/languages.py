"""`codeseek languages`."""

from __future__ import annotations

from typing import Annotated

import typer

from codeseek.cli.choices import parse_choice
from codeseek.cli.options import new_app
from codeseek.cli.streams import results_stream
from codeseek.cli.tables import format_table

app = new_app()


@app.command(epilog="Example: codeseek languages")
def languages(
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="plain or json.")] = "plain",
) -> int:
    """List the languages that are cut by their syntax; other text files are cut into windows of lines."""
    from codeseek.languages import load_languages

    known = load_languages().values()
    as_json = parse_choice("--format", format, ("plain", "json")) == "json"
    out = results_stream(utf8=as_json)
    if as_json:
        from codeseek.printers.records import to_json

        records = [
            {
                "name": language.name,
                "title": language.title,
                "extensions": list(language.extensions),
                "filenames": list(language.filenames),
            }
            for language in known
        ]
        out.write(to_json({"languages": records}, indent=2) + "\n")
    else:
        out.write(
            format_table(
                [(entry.name, entry.title, " ".join((*entry.extensions, *entry.filenames))) for entry in known]
            )
        )
    return 0
