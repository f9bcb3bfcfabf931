"""Cuts text that no grammar reads into windows of lines: Markdown at its headings, everything else at blank lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codeseek.chunkers.cutting import cut_windows
from codeseek.chunkers.source import MAX_CHARS, Source
from codeseek.types import Chunk, Kind

__all__ = ["chunk_lines"]

# A window of an unparsed file: shorter than a function may be, since nothing says where one thought ends.
WINDOW_LINES = 40
HEADING_MAX_CHARS = 120

_MARKDOWN = (".md", ".markdown", ".mdx", ".mkd")
_HEADING = re.compile(r"\ufeff?\s{0,3}(#{1,6})\s+(\S.*)")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")


def chunk_lines(path: str, source: Source, language: str | None = None) -> list[Chunk]:
    """Cuts a file without a syntax tree; `language` is set when there is a grammar that could not read it."""
    sections = _markdown(source) if path.lower().endswith(_MARKDOWN) else [(0, len(source.blank) - 1, "", ())]
    chunks = []
    for start, end, name, scope in sections:
        start, end = source.trim(start, end)
        if start > end or source.blank[end]:
            continue
        for part, (first, last) in enumerate(_windows(source, start, end)):
            first, last = source.trim(first, last)
            extent = source.byte_range(first, last)
            text = source.text(extent.start, extent.end)
            span = source.span(first, last)
            chunks.append(
                Chunk(path, language, Kind.TEXT, name, scope, "", "", span, extent, text, part if name else 0)
            )
    return chunks


def _windows(source: Source, first: int, last: int) -> Iterator[tuple[int, int]]:
    """At most `WINDOW_LINES` lines and about `MAX_CHARS` characters each, cut at blank lines where there are some."""
    while last - first >= WINDOW_LINES:
        cut = first + WINDOW_LINES
        for line in range(cut, first + WINDOW_LINES // 2, -1):
            if source.blank[line - 1]:
                cut = line
                break
        if not all(source.blank[first:cut]):
            yield from _by_size(source, first, cut - 1)
        first = cut
    if not all(source.blank[first : last + 1]):
        yield from _by_size(source, first, last)


def _by_size(source: Source, first: int, last: int) -> list[tuple[int, int]]:
    return [(first, last)] if source.size(first, last) <= MAX_CHARS else cut_windows(source, first, last)


def _markdown(source: Source) -> Iterator[tuple[int, int, str, tuple[str, ...]]]:
    """(first line, last line, heading, headings above it) of each section; code fences hold no headings."""
    headings: list[tuple[int, str]] = []
    start, fence = 0, ""
    for line in range(len(source.blank)):
        if source.blank[line]:
            continue
        text = source.text(source.starts[line], min(source.starts[line + 1], source.starts[line] + 400))
        mark = _FENCE.match(text)
        if mark is not None:
            if not fence:
                fence = mark[1][0] * 3
            elif text.lstrip().startswith(fence):
                fence = ""
            continue
        heading = None if fence else _HEADING.match(text)
        if heading is None:
            continue
        if line > start:
            yield start, line - 1, *_titles(headings)
        start = line
        level = len(heading[1])
        headings = [item for item in headings if item[0] < level]
        title = " ".join(heading[2].split())
        headings.append((level, (title.rstrip("#").rstrip() or title)[:HEADING_MAX_CHARS]))
    yield start, len(source.blank) - 1, *_titles(headings)


def _titles(headings: list[tuple[int, str]]) -> tuple[str, tuple[str, ...]]:
    titles = tuple(title for _, title in headings)
    return (titles[-1], titles[:-1]) if titles else ("", ())
