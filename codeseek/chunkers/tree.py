"""Cuts a parsed file into chunks: one a definition, its class's own lines beside it, and the code between.

Lines are the unit: each non-blank line goes to exactly one chunk, the innermost definition that is a chunk of its own.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from codeseek.chunkers.cutting import cut_lines
from codeseek.chunkers.outline import CALLABLES, CLASSLIKE, MEMBER_MIN_LINES, Definition, Outline, outline
from codeseek.chunkers.source import MAX_CHARS, Source
from codeseek.languages import Language, SyntaxTree
from codeseek.types import Chunk, Kind

__all__ = ["chunk_tree"]

# Up to this many non-blank lines of a class between two of its methods join the next one: access marks and the like.
ATTACH_MAX_LINES = 2
# Of a function that is too long, the functions in it from this length on become chunks: shorter ones are callbacks,
# which the lines around them explain.
NESTED_MIN_LINES = 8
# Names of short definitions that a chunk remembers; a table of more is data.
MAX_MEMBERS = 50
# Documentation does not count against the limit, since models read only its first sentences, up to this multiple of it.
DOCUMENTED_SHARE = 3


@dataclass(slots=True)
class _Segment:
    """Whole lines that become one chunk or the parts of one. `owner` is None outside every definition."""

    first: int
    last: int
    owner: Definition | None
    is_whole: bool
    """False where chunks of the owner's children lie within its lines."""
    is_head: bool = False
    """Whether the owner begins here."""


def chunk_tree(path: str, source: Source, language: Language) -> list[Chunk] | None:
    """Cuts a file by its syntax tree; None when it cannot be parsed in time.

    Raises:
        GrammarError: If the language's wheel or query is broken.
    """
    tree = language.parse(source.data if source.encoding == "utf-8" else source.data.translate(_NO_UTF8))
    if tree is None:
        return None
    contents = outline(source, tree, language)
    segments = _merge(source, list(_segments(source, contents.definitions)), contents.own_line_comments)
    return list(_chunks(path, source, language, tree, contents, segments))


def _segments(source: Source, roots: list[Definition]) -> Iterator[_Segment]:
    """Covers all lines, in order; walks with a stack of its own, since files nest deeper than Python may recurse."""
    stack = [(iter(_own_chunks(None, roots, source)), None, len(source.blank) - 1)]
    line, is_head = 0, False
    while stack:
        children, owner, last = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            if line <= last:
                yield _Segment(line, last, owner, False, is_head)
            line, is_head = max(line, last + 1), False
            continue
        if line < child.first:
            yield _Segment(line, child.first - 1, owner, False, is_head)
        line, is_head = child.first, False
        own = _own_chunks(child, child.children, source)
        if own:
            stack.append((iter(own), child, child.last))
            is_head = True
        else:
            yield _Segment(child.first, child.last, child, True, True)
            line = child.last + 1


def _own_chunks(parent: Definition | None, children: list[Definition], source: Source) -> list[Definition]:
    """Those of `children` that get chunks of their own."""
    if not children:
        return []
    if parent is not None and parent.kind in CALLABLES:
        if _fits(source, _Segment(parent.first, parent.last, parent, True, True)):
            return []
        return [child for child in children if child.height >= NESTED_MIN_LINES]
    if parent is None:
        return [child for child in children if _is_worthy(child) or _stands_out(source, child)]
    if parent.kind is Kind.MODULE:
        return [child for child in children if child.kind is not Kind.MACRO or _is_worthy(child)]
    is_long = parent.kind in CLASSLIKE and source.size(parent.first, parent.last) > MAX_CHARS
    worthy = [_is_worthy_member(child, is_long) for child in children]
    alone = [
        child.body is not None
        and child.kind in CALLABLES
        and (position == 0 or worthy[position - 1])
        and (position + 1 == len(children) or worthy[position + 1])
        for position, child in enumerate(children)
    ]
    return [child for child, *reasons in zip(children, worthy, alone, strict=True) if any(reasons)]


def _is_worthy_member(member: Definition, is_long: bool) -> bool:
    """Whether a member of a class is a chunk whatever stands beside it; a declaration only in a long class."""
    if member.kind is None or member.kind in CLASSLIKE:
        return True
    return _is_worthy(member) and (member.body is not None or is_long or member.height >= MEMBER_MIN_LINES)


def _fits(source: Source, segment: _Segment) -> bool:
    size = source.size(segment.first, segment.last)
    if segment.owner is None or not segment.is_head:
        return size <= MAX_CHARS
    return size - segment.owner.documented_bytes <= MAX_CHARS and size <= DOCUMENTED_SHARE * MAX_CHARS


def _stands_out(source: Source, definition: Definition) -> bool:
    """Whether a short definition outside every other is a chunk.

    An indented one stands in something nameless, a callback or a table; `unsafe impl Send for A {}` defines nothing.
    """
    if definition.kind is Kind.MACRO or (definition.kind is None and not definition.children):
        return False
    return source.starts[source.line_at(definition.start)] == definition.start


def _is_worthy(definition: Definition) -> bool:
    return definition.height >= MEMBER_MIN_LINES or bool(definition.documentation)


# Latin-1 is no valid UTF-8, which is what grammars read: its letters become letters at the same offsets.
_NO_UTF8 = bytes(range(128)) + b"x" * 128

# What a line ends with that only opens what the next chunk holds: `const handlers = {`, `type (`, `if DEBUG:`.
_OPENERS = (b"{", b"(", b"[", b":")

# Lines of closing brackets and closing words only. What begins a comment is one: were it also tried as two characters,
# eight lines of "----" before a word would be read in a million ways.
_CLOSERS = re.compile(
    rb"(?:(?://|/\*|#|--)[^\n]*+|[\s\W_]|\b(?:end|endif|else|fi|done|esac|od|in|then|begin|do|pass)\b)*+"
)


def _merge(source: Source, segments: list[_Segment], comments: dict[int, int]) -> list[_Segment]:
    """Drops blank segments and joins those that say nothing alone to their neighbours."""
    merged: list[_Segment] = []
    carried: int | None = None
    for position, segment in enumerate(segments):
        segment.first, segment.last = source.trim(segment.first, segment.last)
        if source.blank[segment.last] or segment.first > segment.last:
            continue
        if carried is not None:
            segment.first, carried = carried, None
        if segment.is_whole:
            merged.append(segment)
            continue
        lines = segment.last - segment.first + 1
        if lines <= 8 and not segment.is_head and merged and _says_nothing(source, segment):
            merged[-1].last = segment.last
            continue
        if lines <= ATTACH_MAX_LINES + 1 and _may_attach(source, segment, comments):
            following = segments[position + 1] if position + 1 < len(segments) else None
            inside = segment.owner is None or (following is not None and _is_inside(following, segment.owner))
            if following is not None and inside:
                carried = segment.first
                continue
            if merged and not segment.is_head:
                merged[-1].last = segment.last
                continue
        merged.append(segment)
    return merged


def _may_attach(source: Source, segment: _Segment, comments: dict[int, int]) -> bool:
    """Whether a short piece may leave its owner: not the beginning of a class, nor code outside every definition."""
    owner = segment.owner
    if owner is None:
        extent = source.byte_range(segment.first, segment.last)
        if source.data.endswith(_OPENERS, extent.start, extent.end):
            return True
        return all(source.blank[line] or comments.get(line) == line for line in range(segment.first, segment.last + 1))
    return not segment.is_head or (owner.kind in (None, Kind.MODULE) and not owner.documentation)


def _is_inside(segment: _Segment, owner: Definition | None) -> bool:
    inner = segment.owner
    return owner is not None and inner is not None and owner.first <= inner.first and inner.last <= owner.last


def _says_nothing(source: Source, segment: _Segment) -> bool:
    text = source.data[source.starts[segment.first] : source.starts[segment.last + 1]]
    return len(text) < 400 and _CLOSERS.fullmatch(text) is not None


def _chunks(
    path: str, source: Source, language: Language, tree: SyntaxTree, contents: Outline, segments: list[_Segment]
) -> Iterator[Chunk]:
    """Cuts segments that are too long and numbers the parts of each definition."""
    parts: dict[int, int] = {}
    members = _members(contents.definitions, {id(segment.owner) for segment in segments})
    lines = [line for line, _ in members]
    for segment in segments:
        owner = segment.owner
        if _fits(source, segment):
            pieces = [(segment.first, segment.last)]
        else:
            pieces = cut_lines(source, tree.root, contents.own_line_comments, segment.first, segment.last)
        for first, last in pieces:
            first, last = source.trim(first, last)
            extent = source.byte_range(first, last)
            kind, name, scope, signature, documentation, part = Kind.CODE, "", (), "", "", 0
            if owner is not None:
                part = parts.get(id(owner), 0)
                parts[id(owner)] = part + 1
                scope, signature = owner.inner_scope, owner.signature
                if owner.kind is not None and (owner.kind is not Kind.MODULE or part == 0):
                    kind, name, scope = owner.kind, owner.name, owner.scope
                else:
                    part = 0
                documentation = owner.documentation if part == 0 and name else ""
            held = members[bisect_left(lines, first) : bisect_right(lines, last)]
            yield Chunk(
                path=path,
                language=language.name,
                kind=kind,
                name=name,
                scope=scope,
                signature=signature,
                documentation=documentation,
                span=source.span(first, last),
                bytes=extent,
                text=source.text(extent.start, extent.end),
                part=part,
                members=tuple(dict.fromkeys(member for _, member in held))[:MAX_MEMBERS],
            )


def _members(roots: list[Definition], owners: set[int]) -> list[tuple[int, str]]:
    """First line and name of each definition that has no chunk of its own, by line."""
    found = []
    waiting = list(roots)
    while waiting:
        definition = waiting.pop()
        waiting += definition.children
        if id(definition) not in owners and definition.name and definition.kind not in (None, Kind.MODULE):
            found.append((definition.last - definition.height + 1, definition.name))
    return sorted(found)
