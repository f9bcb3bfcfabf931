"""Which lines of a hit's code are worth showing first."""

from __future__ import annotations

import re

from codeseek.types import Hit

# How lines begin that hold documentation or attributes rather than the definition, in the languages of `grammars/`.
_ABOVE_DEFINITION = re.compile(r"""\s*(#|//|/\*|\*|--|;|%|@|\[|'''|\"\"\"|\{-)""")


def code_lines(hit: Hit) -> list[str]:
    """Returns the lines of the hit, without line ends; only `\\n`, `\\r\\n` and `\\r` end a line, as in an editor."""
    return re.split(r"\r\n|\n|\r", hit.text.rstrip("\r\n"))


def headline(hit: Hit) -> tuple[int, str]:
    """Returns the line that names the definition, else the first that is not blank: (1-based line, its text)."""
    lines = code_lines(hit)
    simple_name = hit.name.rpartition(".")[2]
    if simple_name:
        named = re.compile(rf"(?<!\w){re.escape(simple_name)}(?!\w)")
        for offset, line in enumerate(lines):
            if named.search(line) and not _ABOVE_DEFINITION.match(line):
                return hit.span.start_line + offset, line
    for offset, line in enumerate(lines):
        if line.strip():
            return hit.span.start_line + offset, line
    return hit.span.start_line, ""


def excerpt(hit: Hit, count: int) -> list[tuple[int, str]]:
    """Returns at most `count` lines from the headline on, padded from above it if the hit ends early."""
    lines = code_lines(hit)
    first = headline(hit)[0] - hit.span.start_line
    first = max(0, min(first, len(lines) - count))
    return [(hit.span.start_line + first + i, line) for i, line in enumerate(lines[first : first + count])]
