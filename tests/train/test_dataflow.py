"""Data flow in six languages, and the input that GraphCodeBERT was published with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.train.dataflow import DATA_FLOW_LANGUAGES, extract_data_flow
from codeseek.train.flowgraph import Graph, append_nodes, build_graph, pad_graphs

SUM = {
    "python": "def f(a, b):\n    c = a + b\n    for x in c:\n        b = x\n    return b\n",
    "java": "int f(int a, int b) { int c = a + b; for (int x : c) { b = x; } return b; }",
    "javascript": "function f(a, b) { let c = a + b; for (const x of c) { b = x; } return b; }",
    "go": "func f(a int, b int) int { c := a + b; for x := range c { b = x }; return b }",
    "php": "function f($a, $b) { $c = $a + $b; foreach ($c as $x) { $b = $x; } return $b; }",
    "ruby": "def f(a, b)\n  c = a + b\n  for x in c\n    b = x\n  end\n  return b\nend\n",
}


def named_edges(text: str, language: str) -> list[tuple[str, str]]:
    """Edges between occurrences, each written as the name and the number of its occurrence from 1."""
    flow = extract_data_flow(text, language)
    names: list[str] = []
    for start, end in flow.nodes:
        name = text[start:end].lstrip("$")
        names.append(f"{name}{1 + sum(one.rstrip('0123456789') == name for one in names)}")
    return [(names[target], names[source]) for target, source in flow.edges]


@pytest.mark.parametrize("language", DATA_FLOW_LANGUAGES)
def test_the_same_function_has_the_same_flow_in_every_language(language: str) -> None:
    edges = named_edges(SUM[language], language)
    assert {
        ("c1", "a2"),  # computed from a and b
        ("c1", "b2"),
        ("a2", "a1"),  # which come from the parameters
        ("b2", "b1"),
        ("x1", "c2"),
        ("c2", "c1"),
        ("b3", "x2"),
        ("x2", "x1"),
        ("b4", "b1"),  # the loop may not have run
        ("b4", "b3"),
    } == set(edges)


def test_branches_join_and_a_later_assignment_hides_an_earlier_one() -> None:
    text = (
        "def f(a):\n    b = 1\n    if a:\n        b = 2\n    else:\n        b = a\n    c = b\n    c = 3\n    return c\n"
    )
    edges = named_edges(text, "python")
    assert ("b4", "b2") in edges
    assert ("b4", "b3") in edges
    # Nothing reads the first c; the second has no source but is read.
    assert [edge for edge in edges if edge[0] == "c3"] == [("c3", "c2")]


def test_a_counting_loop_reaches_its_own_head() -> None:
    edges = named_edges("void f(int a) { for (int i = 0; i < a; i++) { g(i); } }", "java")
    assert {("i2", "i1"), ("i2", "i3"), ("i4", "i1"), ("i4", "i3"), ("i3", "i1")} <= set(edges)


def test_an_index_is_read_and_its_owner_assigned() -> None:
    edges = named_edges("def f(a, i, x):\n    a[i] = x\n    a.i = i\n    return a\n", "python")
    # The parameter `a` is no node: no value of it is ever read.
    assert ("i2", "i1") in edges
    assert ("a1", "x2") in edges
    assert ("a2", "i3") in edges
    assert ("a3", "a2") in edges
    # `.i` is the name of an attribute.
    assert not [edge for edge in edges if "i4" in edge]


def test_pairs_of_a_multiple_assignment_are_kept_apart() -> None:
    edges = set(named_edges("def f(a, b):\n    c, d = a, b\n    return c\n", "python"))
    assert ("c1", "a2") in edges
    assert ("c1", "b2") not in edges


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=80), st.sampled_from([*DATA_FLOW_LANGUAGES, "cobol", ""]))
def test_any_text_gives_nodes_in_order_and_edges_between_them(text: str, language: str) -> None:
    flow = extract_data_flow(text, language)
    assert list(flow.nodes) == sorted(flow.nodes)
    assert all(0 <= start < end <= len(text) for start, end in flow.nodes)
    assert all(0 <= one < len(flow.nodes) for edge in flow.edges for one in edge)


def test_characters_that_take_several_bytes_do_not_shift_nodes() -> None:
    text = "é = 'ü€'\nb = é\n"
    assert [text[start:end] for start, end in extract_data_flow(text, "python").nodes] == ["é", "b", "é"]


def test_graph_keeps_what_was_read() -> None:
    offsets = [(0, 1), (1, 3), (4, 5), (6, 8)]
    graph = build_graph([(0, 3), (4, 5), (6, 9)], [(1, 0), (2, 1)], offsets)
    assert graph.spans.tolist() == [[0, 2], [2, 3]]  # the third variable is cut by the end
    assert graph.edges.tolist() == [[1, 0]]


def slow_attention(ids: list[int], tokens: int, spans: list[list[int]], edges: list[list[int]]) -> np.ndarray:
    """The published rules, word by word."""
    mask = np.zeros((len(ids), len(ids)), bool)
    length = tokens + len(spans)
    for row in range(tokens):
        for column in range(tokens):
            mask[row, column] = True
        if ids[row] in (0, 2):
            for column in range(length):
                mask[row, column] = True
    for node, (first, behind) in enumerate(spans):
        for token in range(first, behind):
            mask[tokens + node, token] = mask[token, tokens + node] = True
    for target, source in edges:
        mask[tokens + target, tokens + source] = True
    for row in range(length, len(ids)):
        mask[row, row] = True
    return mask


def test_input_is_as_published() -> None:
    row = np.array([0, 50, 51, 52, 2])
    graph = Graph(np.array([[0, 2], [2, 3]], np.uint16), np.array([[1, 0]], np.uint16))
    rows, flows = append_nodes([row], [1], [graph], 1, 3)
    assert rows[0].tolist() == [0, 50, 51, 52, 2, 3, 3]
    ids = np.array([[*rows[0].tolist(), 1]])
    found = pad_graphs(flows, ids, 1)
    assert found.positions.tolist() == [[2, 3, 4, 5, 6, 0, 0, 1]]
    expected = slow_attention(ids[0].tolist(), 5, [[1, 3], [3, 4]], [[1, 0]])
    assert found.attention[0].tolist() == expected.tolist()


def test_a_document_that_was_cut_loses_the_nodes_behind_the_cut() -> None:
    graph = Graph(np.array([[0, 1], [3, 4], [1, 2]], np.uint16), np.array([[2, 0], [1, 0]], np.uint16))
    rows, flows = append_nodes([np.array([0, 50, 51, 2])], [1], [graph], 1, 3)
    assert len(rows[0]) == 6
    assert flows[0][1].spans.tolist() == [[1, 2], [2, 3]]
    assert flows[0][1].edges.tolist() == [[1, 0]]
