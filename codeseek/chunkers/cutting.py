"""Cuts lines that are too long for one chunk, at statements where there is a syntax tree, else at blank lines."""

from __future__ import annotations

from codeseek.chunkers.source import MAX_CHARS, Source

__all__ = ["cut_lines", "cut_windows"]

# A piece may be this much longer than the limit when that saves a last piece of a few lines.
OVERFLOW = 1.15
# A piece is at least this share of the limit, so that a cut at a better place does not make crumbs.
SMALLEST_SHARE = 0.35


def cut_lines(source: Source, root: object, comments: dict[int, int], first: int, last: int) -> list[tuple[int, int]]:
    """Cuts lines first to last into pieces of at most about `MAX_CHARS`, before statements, the outermost preferred.

    Args:
        root: The file's root node.
        comments: First line by last line of the comments on lines of their own; a cut goes before them.

    Returns:
        (first, last) of each piece, in order, blank lines at the ends included.
    """
    levels = _statement_levels(source, root, first, last)
    for comment_last, comment_first in comments.items():
        # A statement right below a comment is no place to cut, the comment is.
        if first < comment_first <= last and comment_last + 1 in levels:
            level = levels.pop(comment_last + 1)
            levels[comment_first] = min(level, levels.get(comment_first, level))
    return _pack(source, levels, first, last)


def cut_windows(source: Source, first: int, last: int) -> list[tuple[int, int]]:
    """As `cut_lines` without a syntax tree: after blank lines, the less indented the better."""
    levels = {}
    for line in range(first + 1, last + 1):
        if source.blank[line - 1] and not source.blank[line]:
            text = source.data[source.starts[line] : source.starts[line] + 40]
            levels[line] = len(text) - len(text.lstrip())
    return _pack(source, levels, first, last)


def _statement_levels(source: Source, root: object, first: int, last: int) -> dict[int, int]:
    """Lines on which a node begins, with its depth below the smallest node around all the lines; parents first.

    Only nodes too long for one piece are entered, so that the walk stays short whatever the file's depth.
    """
    start, end = source.starts[first], source.starts[last + 1]
    levels: dict[int, int] = {}
    code_starts: dict[int, int] = {}  # by line; a line of a megabyte may hold 300,000 nodes
    pending = [(root.descendant_for_byte_range(start, end - 1) or root, 0)]
    while pending:
        node, level = pending.pop()
        below = level + 1
        for child in node.children:
            child_start, child_end = child.start_byte, child.end_byte
            if child_end <= start or child_start >= end:
                continue
            line = source.line_at(child_start)
            if first < line <= last and child.is_named and levels.get(line, below) >= below:
                if line not in code_starts:
                    text = source.data[source.starts[line] : source.starts[line + 1]]
                    code_starts[line] = source.starts[line + 1] - len(text.lstrip())
                # Only where the statement begins its line; a comment that is skipped here comes back with `comments`.
                if child_start <= code_starts[line]:
                    levels[line] = below
            if child_end - child_start > MAX_CHARS:
                pending.append((child, below))
    return levels


def _pack(source: Source, levels: dict[int, int], first: int, last: int) -> list[tuple[int, int]]:
    """Greedy: each piece ends before the outermost, then farthest, of the lines at which it may."""
    candidates = sorted(levels)
    pieces = []
    position = 0
    while source.size(first, last) > MAX_CHARS * OVERFLOW and first < last:
        best: tuple[int, int] | None = None
        while position < len(candidates) and candidates[position] <= first:
            position += 1
        for line in candidates[position:]:
            size = source.size(first, line - 1)
            if size > MAX_CHARS:
                break
            if size >= MAX_CHARS * SMALLEST_SHARE and (best is None or levels[line] <= best[0]):
                best = levels[line], line
        cut = best[1] if best is not None else _last_fitting(source, first, last)
        pieces.append((first, cut - 1))
        first = cut
    pieces.append((first, last))
    return [(start, end) for start, end in pieces if not all(source.blank[start : end + 1])]


def _last_fitting(source: Source, first: int, last: int) -> int:
    """The line after the last one that still fits, or after a blank one near it; at least first + 1."""
    line = first + 1
    while line < last and source.size(first, line) <= MAX_CHARS:
        line += 1
    for nearby in range(line, max(first, line - 12), -1):
        if source.blank[nearby - 1]:
            return nearby
    return line
