"""Data flow of a function: which occurrence of a variable takes its value from which (Guo et al. 2021, section 3).

One walk over the syntax tree in the order of evaluation keeps, for each name, the occurrences that its value may come
from. A read takes its value from those; the target of an assignment takes it from every variable on the right and
becomes the only source; after a branch the sources of all arms hold; a loop's body is walked twice, so that its end
reaches its head.

What differs from the released extractors: property, method and keyword names are no variables, and in `a[i] = x` it is
`a` that is assigned, while `i` is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from codeseek.encoders.tokens import MAX_CHARS_PER_TOKEN
from codeseek.languages import load_languages
from codeseek.train.dataflow_syntax import SYNTAX, Syntax
from codeseek.train.flowgraph import Graph, build_graph

__all__ = ["DATA_FLOW_LANGUAGES", "DataFlow", "extract_data_flow", "graph_finder"]


@dataclass(frozen=True, slots=True)
class DataFlow:
    """Occurrences that have an edge, in the order of the text, as [first, behind last) characters, and those edges."""

    nodes: tuple[tuple[int, int], ...] = ()
    edges: tuple[tuple[int, int], ...] = ()


DATA_FLOW_LANGUAGES = tuple(SYNTAX)

# Fields of a counting loop: what runs before it, and what runs after each round.
INITIAL = ("init", "initializer", "initialize")
UPDATES = ("update", "increment")

# By name, the occurrences that its value may come from; an occurrence is its byte range.
Occurrence = tuple[int, int]
State = dict[str, frozenset[Occurrence]]


def extract_data_flow(text: str, language: str) -> DataFlow:
    """Finds the data flow of a function.

    Args:
        text: Its source.
        language: One of `DATA_FLOW_LANGUAGES`; any other has no data flow.

    Returns:
        Nodes in the order of the text; empty where the text cannot be parsed or nests too deeply.

    Raises:
        GrammarError: If the language's grammar is missing.
    """
    syntax = SYNTAX.get(language)
    if syntax is None:
        return DataFlow()
    data = (syntax.prefix + text).encode("utf-8", "surrogateescape")
    tree = load_languages()[language].parse(data)
    if tree is None:
        return DataFlow()
    walk = _Walk(syntax, data)
    try:
        walk.visit(tree.root, {})
    except RecursionError:
        return DataFlow()
    edges = {(target, source) for target, source in walk.edges if target != source}
    occurrences = sorted({one for edge in edges for one in edge})
    numbers = {occurrence: number for number, occurrence in enumerate(occurrences)}
    to_character = _characters(data, len(syntax.prefix))
    return DataFlow(
        tuple((to_character(start), to_character(end)) for start, end in occurrences),
        tuple(sorted((numbers[target], numbers[source]) for target, source in edges)),
    )


def graph_finder(offsets: Callable[[str, int], list[tuple[int, int]]], max_tokens: int) -> Callable[[str, str], Graph]:
    """Returns what `data.load_training_set` asks for data flow.

    Args:
        offsets: First character and the one behind the last of each token of a text, up to a maximum of tokens.
        max_tokens: Tokens read of a document.
    """

    def find(text: str, language: str) -> Graph:
        text = text[: max_tokens * MAX_CHARS_PER_TOKEN]
        flow = extract_data_flow(text, language)
        return build_graph(flow.nodes, flow.edges, offsets(text, max_tokens) if flow.nodes else [])

    return find


class _Walk:
    """Collects edges (occurrence, occurrence it takes its value from)."""

    def __init__(self, syntax: Syntax, data: bytes) -> None:
        self._syntax = syntax
        self._data = data
        self._hidden: set[int] = set()
        self.edges: set[tuple[Occurrence, Occurrence]] = set()

    def visit(self, node: Any, state: State) -> None:
        """Walks a node in the order of evaluation; `state` is changed in place."""
        syntax, kind = self._syntax, node.type
        if kind in syntax.variables:
            self._read(node, state)
        elif kind in syntax.assignments:
            self._assign(node, *syntax.assignments[kind], state, update=False)
        elif kind in syntax.updates:
            self._assign(node, *syntax.updates[kind], state, update=True)
        elif kind in syntax.iterations:
            self._iterate(node, *syntax.iterations[kind], state)
        elif kind in syntax.branches:
            self._branch(node, state)
        elif kind in syntax.loops:
            self._loop(node, state)
        else:
            self._children(node, state)

    def _loop(self, node: Any, state: State) -> None:
        """Initialisers run once; then condition and body, and what counts on, twice."""
        heads = [node, *(child for child in node.named_children if child.type == "for_clause")]
        first = [child for head in heads for name in INITIAL for child in head.children_by_field_name(name)]
        last = [child for head in heads for name in UPDATES for child in head.children_by_field_name(name)]
        for child in first:
            self.visit(child, state)
        self._hidden |= {child.id for child in (*first, *last)}
        before = dict(state)
        for _ in range(2):
            self._children(node, state)
            for child in last:
                self.visit(child, state)
        _merge(state, before)

    def _children(self, node: Any, state: State) -> None:
        for child in _in_order(self._parts(node)):
            self.visit(child, state)

    def _parts(self, node: Any) -> list[Any]:
        """Named children that may hold variables and have no turn of their own."""
        skipped = self._syntax.names.get(node.type, ())
        hidden = self._hidden | {child.id for name in skipped for child in node.children_by_field_name(name)}
        return [child for child in node.named_children if child.id not in hidden]

    def _read(self, node: Any, state: State) -> None:
        occurrence = (node.start_byte, node.end_byte)
        name = self._name(node)
        if name in state:
            self.edges.update((occurrence, source) for source in state[name])
        else:
            state[name] = frozenset({occurrence})

    def _name(self, node: Any) -> str:
        return self._data[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _assign(self, node: Any, left: str, right: str, state: State, *, update: bool) -> None:
        targets = node.children_by_field_name(left) if left else node.named_children[:1]
        values = node.children_by_field_name(right) if right else []
        operator = node.child_by_field_name("operator")
        update = update or (operator is not None and len(operator.type) > 1)
        for value in values:
            self.visit(value, state)
        if update:
            for target in targets:
                self.visit(target, state)
        targets, values = _unpack(targets), _unpack(values)
        if len(targets) == len(values) > 1:
            for target, value in zip(targets, values, strict=True):
                self._define([target], [value], state)
        else:
            self._define(targets, values, state)

    def _define(self, targets: Iterable[Any], values: Iterable[Any], state: State) -> None:
        sources = [occurrence for value in values for occurrence in self._occurrences(value)]
        for target in targets:
            for node in self._assigned(target, state):
                occurrence = (node.start_byte, node.end_byte)
                self.edges.update((occurrence, source) for source in sources)
                state[self._name(node)] = frozenset({occurrence})

    def _occurrences(self, node: Any) -> list[Occurrence]:
        if node.type in self._syntax.variables:
            return [(node.start_byte, node.end_byte)]
        return [occurrence for child in self._parts(node) for occurrence in self._occurrences(child)]

    def _assigned(self, node: Any, state: State) -> list[Any]:
        """The variables that a target assigns; whatever else it holds, such as an index, is read."""
        if node.type in self._syntax.variables:
            return [node]
        if node.type not in self._syntax.indexed:
            return [found for child in self._parts(node) for found in self._assigned(child, state)]
        name = self._syntax.indexed[node.type]
        owner = node.child_by_field_name(name) if name else (node.named_children or [None])[0]
        for child in self._parts(node):
            if owner is None or child.id != owner.id:
                self.visit(child, state)
        return [] if owner is None else self._assigned(owner, state)

    def _iterate(self, node: Any, left: str, right: str, body: str, state: State) -> None:
        bodies = node.children_by_field_name(body) if body else []
        within = {child.id for child in bodies}
        if left:
            targets, values = node.children_by_field_name(left), node.children_by_field_name(right)
        else:
            # PHP: `foreach (values as targets) body` has no fields but the body.
            others = [child for child in node.named_children if child.id not in within]
            targets, values = others[1:], others[:1]
        for value in values:
            self.visit(value, state)
        before = dict(state)
        for _ in range(2):
            self._define(targets, values, state)
            for child in bodies:
                self.visit(child, state)
        _merge(state, before)

    def _branch(self, node: Any, state: State) -> None:
        """The first part (the condition) always runs; then one of the arms, or none."""
        parts = self._parts(node)
        condition = node.child_by_field_name("condition") or node.child_by_field_name("value")
        if condition is not None:
            self.visit(condition, state)
            parts = [child for child in parts if child.id != condition.id]
        before = dict(state)
        for part in parts:
            arm = dict(before)
            self.visit(part, arm)
            _merge(state, arm)


def _merge(state: State, other: State) -> None:
    for name, sources in other.items():
        state[name] = state.get(name, frozenset()) | sources


def _in_order(nodes: list[Any]) -> list[Any]:
    """Evaluation order: the clauses of a comprehension come before its result."""
    return sorted(nodes, key=lambda node: node.type != "for_in_clause") if nodes else nodes


def _unpack(nodes: list[Any]) -> list[Any]:
    """The elements of `a, b` where one side is a list; else the nodes themselves."""
    if len(nodes) == 1 and nodes[0].type.endswith(("_list", "list_pattern", "tuple_pattern", "array_pattern", "tuple")):
        return list(nodes[0].named_children)
    return [node for node in nodes if node.is_named]


def _characters(data: bytes, prefix: int) -> Callable[[int], int]:
    """Turns a byte position into a character position of the text behind the prefix."""
    if data.isascii():
        return lambda position: position - prefix
    counted = [0] * (len(data) + 1)
    seen = 0
    for position, byte in enumerate(data):
        counted[position] = seen
        # Continuation bytes begin no character.
        seen += (byte & 0xC0) != 0x80
    counted[len(data)] = seen
    return lambda position: counted[position] - prefix
