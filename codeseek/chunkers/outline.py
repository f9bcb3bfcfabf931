"""The outline of a file: its definitions as a tree, with the lines, scope, signature and documentation of each.

What a definition is comes from the language's query (`grammars/README.md`); the rules here hold for every language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from codeseek.chunkers.comments import find_own_lines, read_documentation
from codeseek.chunkers.source import Source
from codeseek.languages import Language, SyntaxTree
from codeseek.types import Kind

__all__ = ["CALLABLES", "CLASSLIKE", "Definition", "outline"]

CALLABLES = frozenset({Kind.FUNCTION, Kind.METHOD, Kind.CONSTRUCTOR, Kind.MACRO})
CLASSLIKE = frozenset({Kind.CLASS, Kind.STRUCT, Kind.ENUM, Kind.TRAIT, Kind.INTERFACE})

# A member shorter than this, undocumented, stays in the chunk of its class: getters and forwarders say little alone.
MEMBER_MIN_LINES = 3
SIGNATURE_MAX_CHARS = 300
NAME_MAX_CHARS = 120
# Innermost names that a scope keeps; without a limit, files that nest 10,000 deep take memory in the square of that.
SCOPE_MAX_NAMES = 12

_DEFINITION = "definition."
_CONTAINER = "container"


@dataclass(slots=True)
class Definition:
    """A node that the query captured. Lines count from 0 and include wrappers and the documentation above.

    `kind` is None for a container (a Rust `impl`), which lends its name as scope and defines nothing.
    """

    kind: Kind | None
    name: str
    start: int
    end: int
    first: int
    last: int
    scope: tuple[str, ...] = ()
    signature: str = ""
    comments: list[tuple[int, int]] = field(default_factory=list)
    documentation: str = ""
    documented_bytes: int = 0
    """Bytes of the comments above and the documentation inside."""
    body: int | None = None
    height: int = 0
    """Lines without the documentation above."""
    joins: bool = False
    """Whether a neighbour of the same name belongs to it (Haskell: the type signature and every equation)."""
    children: list[Definition] = field(default_factory=list)

    @property
    def inner_scope(self) -> tuple[str, ...]:
        """Scope of what lies in it; a module `a::b` is two."""
        names = self.name.split("::") if self.kind is Kind.MODULE else [self.name]
        return (*self.scope, *names)[-SCOPE_MAX_NAMES:] if self.name else self.scope


@dataclass(frozen=True, slots=True)
class Outline:
    definitions: list[Definition]
    own_line_comments: dict[int, int]
    """Last line of every comment or attribute that stands alone on its lines, with its first line."""


def outline(source: Source, tree: SyntaxTree, language: Language) -> Outline:
    """The definitions of a file as a forest in source order; siblings share no line."""
    found = _collect(source, tree, frozenset(language.join), frozenset(language.comments))
    _nest(source, found, language)
    return _finish(source, found, language)


@dataclass(slots=True)
class _Found:
    definitions: list[tuple[int, int, Definition, list[tuple[int, int]]]]
    wrappers: list[tuple[int, int]]
    documentation: list[tuple[int, int]]
    comments: list[tuple[int, int]]
    attributes: list[tuple[int, int]]
    roots: list[Definition] = field(default_factory=list)


def _collect(source: Source, tree: SyntaxTree, joined: frozenset[str], comments: frozenset[str]) -> _Found:
    """Sorts the query's matches by what they capture; of two definitions on one node the earlier pattern stays."""
    found = _Found([], [], [], [], [])
    lone = {
        "comment": found.comments,
        "attribute": found.attributes,
        "wrapper": found.wrappers,
        "documentation": found.documentation,
    }
    kept: dict[tuple[int, int], tuple[int, dict]] = {}
    for pattern, captures in tree.matches:
        whole = None
        for capture, nodes in captures.items():
            if capture == _CONTAINER or capture.startswith(_DEFINITION):
                whole = capture
            elif capture in lone:
                lone[capture].extend((node.start_byte, node.end_byte) for node in nodes)
        if whole is not None:
            node = captures[whole][0]
            extent = node.start_byte, _end_of_code(source, node, comments)
            other = kept.get(extent)
            if other is None or pattern < other[0]:
                kept[extent] = pattern, whole, captures
    for (start, end), (pattern, whole, captures) in kept.items():
        if end <= start:
            continue
        name = _name(source, captures["name"][0]) if "name" in captures else tree.names.get(pattern, "")
        kind = None if whole == _CONTAINER else Kind(whole.removeprefix(_DEFINITION))
        body = captures["body"][0].start_byte if "body" in captures else None
        definition = Definition(kind, name, start, end, source.line_at(start), source.line_at(end - 1), body=body)
        definition.joins = bool(joined) and captures[whole][0].type in joined
        scopes = [(node.start_byte, node.end_byte) for node in captures.get("scope", ())]
        found.definitions.append((start, -end, definition, sorted(scopes)))
    return found


def _nest(source: Source, found: _Found, language: Language) -> None:
    """Gives each definition its parent, its wrappers and its scope, in one pass over all of them in source order."""
    wrappers = [(start, -end, None, None) for start, end in set(found.wrappers)]
    # Wrapper before definition where both span the same bytes.
    events = sorted([*wrappers, *found.definitions], key=lambda event: (event[0], event[1], event[2] is not None))
    stack: list[tuple[int, Definition | None]] = []
    starts: list[int] = []
    data = source.data
    for start, negative_end, definition, scopes in events:
        while stack and stack[-1][0] <= start:
            stack.pop()
            starts.pop()
        if definition is None:
            stack.append((-negative_end, None))
            starts.append(start)
            continue
        end = definition.end
        while stack and stack[-1][1] is None:
            outer_end = stack[-1][0]
            # Longer than a few bytes is no punctuation; the slice stays small.
            if outer_end - end > 64 or data[end:outer_end].strip(b" \t\r\n;,"):
                break
            definition.start, end = starts[-1], outer_end
            stack.pop()
            starts.pop()
        parent = next((item for _, item in reversed(stack) if item is not None), None)
        definition.height = source.line_at(end - 1) - source.line_at(definition.start) + 1
        definition.first, definition.last = source.line_at(definition.start), source.line_at(end - 1)
        _place(source, definition, parent, scopes or [], language)
        (parent.children if parent else found.roots).append(definition)
        stack.append((end, definition))
        starts.append(definition.start)
        definition.end = end


def _place(
    source: Source,
    definition: Definition,
    parent: Definition | None,
    scopes: list[tuple[int, int]],
    language: Language,
) -> None:
    explicit = tuple(
        part
        for scope_start, scope_end in scopes
        for part in _scope_parts(source.text(scope_start, min(scope_end, scope_start + 4 * NAME_MAX_CHARS)))
        if part not in language.ignored_scopes
    )
    definition.scope = (*(parent.inner_scope if parent else ()), *explicit)[-SCOPE_MAX_NAMES:]
    is_member = bool(explicit) or (parent is not None and (parent.kind is None or parent.kind in CLASSLIKE))
    if definition.kind is Kind.FUNCTION and is_member:
        definition.kind = Kind.METHOD
    if definition.kind is Kind.METHOD and definition.name:
        named_like_class = definition.scope and definition.scope[-1] == definition.name
        if named_like_class or definition.name in language.constructors:
            definition.kind = Kind.CONSTRUCTOR


def _finish(source: Source, found: _Found, language: Language) -> Outline:
    """Attaches comments, writes signatures and keeps siblings off each other's lines, parents before children."""
    comments = find_own_lines(source, found.comments)
    attributes = find_own_lines(source, found.attributes)
    above = {last: (first, False) for first, last, _, _ in attributes}
    above.update({last: (first, True) for first, last, _, _ in comments})
    text_of = {last: (start, end) for _, last, start, end in comments}
    attribute_ends = dict(sorted(found.attributes))
    pending: list[tuple[list[Definition], int, int]] = [(found.roots, -1, len(source.blank))]
    everything: list[Definition] = []
    while pending:
        siblings, floor, ceiling = pending.pop()
        siblings[:] = _separate(_join(siblings), floor, ceiling)
        previous_last = floor
        for definition in siblings:
            line = definition.first
            if _is_documentation_block(source, above, text_of, line - 2, previous_last):
                line -= 1
            while (span := above.get(line - 1)) is not None and span[0] > previous_last:
                if span[1]:
                    definition.comments.append(text_of[line - 1])
                line = span[0]
            definition.comments.reverse()
            definition.first = line
            previous_last = definition.last
            definition.signature = _signature(source, definition, attribute_ends)
            everything.append(definition)
            if definition.children:
                header = max(definition.last - definition.height + 1, definition.first)
                pending.append((definition.children, header, definition.last))
    _document(source, everything, found.documentation, language)
    return Outline(found.roots, {last: first for last, (first, _) in above.items()})


def _join(siblings: list[Definition]) -> list[Definition]:
    """Makes one definition of neighbours that are parts of one, as the language's `join` says."""
    joined: list[Definition] = []
    for definition in siblings:
        previous = joined[-1] if joined else None
        if previous is None or not (previous.joins and definition.joins and previous.name == definition.name):
            joined.append(definition)
            continue
        previous.last, previous.end = max(previous.last, definition.last), max(previous.end, definition.end)
        previous.height = previous.last - previous.first + 1
        previous.children.extend(definition.children)
    return joined


def _is_documentation_block(
    source: Source, above: dict[int, tuple[int, bool]], text_of: dict[int, tuple[int, int]], last: int, floor: int
) -> bool:
    """Whether a `/** */` comment ends on line `last`, above a blank one; the first of a file is about the file."""
    if last not in text_of or not source.blank[last + 1] or not max(floor, 0) < above[last][0]:
        return False
    return source.data.startswith(b"/**", text_of[last][0])


def _separate(siblings: list[Definition], floor: int, ceiling: int) -> list[Definition]:
    """Siblings in order, without common lines and below the line on which their parent begins.

    A line that closes one definition and opens the next goes to the next; what has no line of its own is dropped, so
    that its text stays with what holds the line.
    """
    kept: list[Definition] = []
    previous = floor
    for definition in siblings:
        definition.last = min(definition.last, ceiling)
        if kept and definition.first == previous and definition.last > previous and kept[-1].first < previous:
            kept[-1].last = previous = previous - 1
        if definition.first > previous:
            kept.append(definition)
            previous = definition.last
    return kept


def _name(source: Source, node: object) -> str:
    return _squeeze(source.text(node.start_byte, node.end_byte))[:NAME_MAX_CHARS].strip("\"'`").lstrip(":")


def _end_of_code(source: Source, node: Any, comments: frozenset[str]) -> int:
    """The end of a node without trailing white space, and then without comments on lines of their own.

    A block by indentation reaches to what follows it, over the documentation of the next definition.
    """
    end = _without_blanks(source.data, node.start_byte, node.end_byte)
    if end == node.end_byte:
        return end
    while (last := node.descendant_for_byte_range(end - 1, end)) is not None and last.type in comments:
        line_start = source.data.rfind(b"\n", 0, last.start_byte) + 1
        if source.data[line_start : last.start_byte].strip() or last.start_byte <= node.start_byte:
            break
        end = _without_blanks(source.data, node.start_byte, last.start_byte)
    return end


def _without_blanks(data: bytes, start: int, end: int) -> int:
    """The end of a node without trailing white space: blocks by indentation reach to what follows them."""
    if end > start and data[end - 1] in b" \t\r\n":
        return start + len(data[start:end].rstrip(b" \t\r\n"))
    return end


def _signature(source: Source, definition: Definition, attribute_ends: dict[int, int]) -> str:
    """The declaration up to its body, without the attributes before it, on one line."""
    data, start = source.data, definition.start
    end = definition.body
    if end is None or not start < end <= definition.end:
        stop = data.find(b"\n", start, definition.end)
        end = definition.end if stop < 0 else stop
    while (attribute_end := attribute_ends.get(start)) is not None and start < attribute_end < definition.end:
        start = attribute_end
        while start < definition.end and data[start] in b" \t\r\n":
            start += 1
    if end <= start:
        end = max(start, data.find(b"\n", start, definition.end))
    return _squeeze(source.text(start, min(end, start + 4 * SIGNATURE_MAX_CHARS)))[:SIGNATURE_MAX_CHARS].rstrip(" {:=;")


def _document(source: Source, definitions: list[Definition], ranges: list[tuple[int, int]], language: Language) -> None:
    """Puts comments above and documentation inside together; a range belongs to the innermost definition around it."""
    definitions.sort(key=lambda definition: (definition.start, -definition.end))
    events = sorted(set(ranges))
    stack: list[Definition] = []
    position = 0
    inside: dict[int, list[tuple[int, int]]] = {}
    for start, end in events:
        while position < len(definitions) and definitions[position].start <= start:
            while stack and stack[-1].end <= definitions[position].start:
                stack.pop()
            stack.append(definitions[position])
            position += 1
        while stack and stack[-1].end <= start:
            stack.pop()
        if stack:
            inside.setdefault(id(stack[-1]), []).append((start, end))
    for definition in definitions:
        ranges_of = [*definition.comments, *inside.get(id(definition), ())]
        if ranges_of:
            definition.documented_bytes = sum(end - start for start, end in ranges_of)
            definition.documentation = read_documentation(source, ranges_of, language)


_SPACE = re.compile(r"\s+")
_SCOPE_SEPARATOR = re.compile(r"::|[.:\\#]")
_GENERIC = re.compile(r"[<\[(].*", re.DOTALL)


def _squeeze(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


@lru_cache(maxsize=4096)
def _scope_parts(text: str) -> tuple[str, ...]:
    """`A::B<T>` -> A, B."""
    parts = _SCOPE_SEPARATOR.split(_GENERIC.sub("", _squeeze(text)[:NAME_MAX_CHARS]))
    return tuple(stripped for part in parts if (stripped := part.strip(" *&\"'`")))
