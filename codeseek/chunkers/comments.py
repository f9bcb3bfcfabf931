"""Comments: which of them stand on lines of their own, and what they say without the marks of their language."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from codeseek.chunkers.source import Source

if TYPE_CHECKING:
    from codeseek.languages import Language

__all__ = ["find_own_lines", "read_documentation", "strip_marks"]

DOCUMENTATION_MAX_CHARS = 2000

# White space and the parts of a byte order mark.
_BLANK = b" \t\r\n\v\f\xef\xbb\xbf"

# What comments begin with: // /// //! /* /** # ## #! -- ---| {- -} (* ; % and the quotes of docstrings and heredocs,
# with the prefixes of Python and Elixir; what they end with, rules of ---- and ==== included.
_OPENING = re.compile(
    r"\s*(?:(?:@(?:module|type)?doc\s+)?(?:[rRbBuUfF]{0,2}|~[sS])(?:\"{3}|'{3})|@(?:module|type)?doc\s(?:\s*~[sS])?|/{2,}[!<]?|/\*+[!<]?|\*+/|\*+(?=\s|$)|#+[!'|]?"
    r"|-{2,}\s*[|^]?|\{-+\s*[|^]?|\(\*+|;+|%+)\s?"
)
# Each run of marks is tried once, from its first one, and given up as a whole: 2,000 stars before a letter took 0.05 s,
# and a line may hold a million.
_CLOSING = re.compile(r"(?:\"{3}|'{3}|(?<!\*)\*++[/)]|(?<!-)-++\}|(?<![-=*#/~])[-=*#/~]{4,}+)\s*+$")


def strip_marks(line: str) -> str:
    """One line of a comment or docstring without its marks and the space around it."""
    opening = _OPENING.match(line)
    if opening is not None:
        line = line[opening.end() :]
    line = line.strip()
    # Looking at the last character first keeps this quick: most lines end in a letter or a full stop.
    if line[-1:] and line[-1] in "\"'/})-=*#~":
        line = _CLOSING.sub("", line, count=1).rstrip()
        if len(line) > 1 and line[0] == line[-1] and line[0] in "\"'":
            line = line[1:-1]
    return line


def find_own_lines(source: Source, ranges: list[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """(first line, last line, start, end) of the ranges that share their lines with nothing else."""
    data, starts = source.data, source.starts
    own = []
    # By line, since a line of a megabyte may hold 200,000 comments: its first byte of code and the end of its last.
    edges: dict[int, tuple[int, int]] = {}
    for start, end in ranges:
        while end > start and data[end - 1] in b"\r\n":
            end -= 1
        if end <= start:
            continue
        first, last = source.line_at(start), source.line_at(end - 1)
        for line in (first, last):
            if line not in edges:
                text = data[starts[line] : starts[line + 1]]
                edges[line] = starts[line + 1] - len(text.lstrip(_BLANK)), starts[line] + len(text.rstrip())
        if edges[first][0] >= start and edges[last][1] <= end:
            own.append((first, last, start, end))
    return own


def read_documentation(source: Source, ranges: Iterable[tuple[int, int]], language: Language) -> str:
    """Text of comments and docstrings without marks and blank lines, at most `DOCUMENTATION_MAX_CHARS` characters."""
    raw = "\n".join(source.text(start, min(end, start + 4 * DOCUMENTATION_MAX_CHARS)) for start, end in ranges)
    lines = [strip_marks(line) for line in raw.splitlines()]
    if language.documentation == "xml":
        # Cut, since the time that the expression takes may grow with the square of the line.
        lines = [_XML_TAG.sub(_tag_text, line[:DOCUMENTATION_MAX_CHARS]).strip() for line in lines]
    return "\n".join(line for line in lines if line)[:DOCUMENTATION_MAX_CHARS]


# <see cref="T:Foo.Bar"/> says Foo.Bar, every other tag nothing.
_XML_TAG = re.compile(r"<(?:[^<>]*?(?:cref|name|langword)=\"(?:\w:)?([^\"]*)\")?[^<>]*>")


def _tag_text(tag: re.Match[str]) -> str:
    return tag[1] or ""
