"""A chunk without its documentation: what remains when the query was made from it."""

from __future__ import annotations

import re
from dataclasses import replace

from codeseek.chunkers.comments import DOCUMENTATION_MAX_CHARS, strip_marks
from codeseek.types import Chunk

__all__ = ["holds_text", "without_documentation"]

# Documentation this near its limit was cut off there, and goes on in the source.
CUT_OFF_CHARS = DOCUMENTATION_MAX_CHARS - 100
_CLOSES = re.compile(r"\"{3}|'{3}|\*/|-\}|\*\)|</summary>")
_WORD = re.compile(r"\w+")


def without_documentation(chunk: Chunk) -> Chunk:
    """The chunk with its documentation taken out of `documentation` and out of `text`; spans stay as they are."""
    if not chunk.documentation:
        return chunk
    documented = {line for line in chunk.documentation.splitlines() if line}
    lines = chunk.text.splitlines()
    drop = [strip_marks(line) in documented or not _WORD.search(line) for line in lines]
    if len(chunk.documentation) >= CUT_OFF_CHARS:
        _drop_remainder(lines, drop, documented)
    kept = [line for line, dropped in zip(lines, drop, strict=True) if not dropped]
    return replace(chunk, documentation="", text="\n".join(kept))


def _drop_remainder(lines: list[str], drop: list[bool], documented: set[str]) -> None:
    """Marks the rest of a long comment: to its closing mark, or as long as each line is a comment."""
    last = max((row for row, line in enumerate(lines) if strip_marks(line) in documented), default=len(lines))
    rest = range(last + 1, len(lines))
    closing = next((row for row in rest if _CLOSES.search(lines[row])), None)
    if closing is None:
        closing = next((row - 1 for row in rest if strip_marks(lines[row]) == lines[row].strip() != ""), last)
    for row in range(last + 1, closing + 1):
        drop[row] = True


def holds_text(chunk: Chunk, query: str) -> bool:
    """Whether the words of `query` stand in the chunk's text one after the other, whatever marks are between."""
    words = " ".join(_WORD.findall(query.lower()))
    return bool(words) and words in " ".join(_WORD.findall(chunk.text.lower()))
