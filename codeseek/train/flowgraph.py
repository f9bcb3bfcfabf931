"""GraphCodeBERT's data-flow input (Guo et al. 2021, arXiv 2009.08366, section 4).

Behind the code's tokens stands one unknown token a variable occurrence. Tokens count positions as ever; a node has
position 0 and takes the mean of the embeddings of the tokens it stands for. Tokens see tokens, a node sees and is seen
by its own tokens, a node sees the nodes that its value comes from, and the special tokens see everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Graph", "GraphInput", "GraphTable", "append_nodes", "pad_graphs"]

# As published.
MAX_NODES = 64


@dataclass(frozen=True, slots=True)
class Graph:
    """The data flow of one document, in its tokens.

    Args:
        spans: [nodes, 2] first token and the one behind the last, 0-based in the document.
        edges: [edges, 2] a node and the node that its value comes from.
    """

    spans: np.ndarray
    edges: np.ndarray


@dataclass(frozen=True, slots=True)
class GraphInput:
    """What a forward pass with data flow needs beside the ids.

    Args:
        positions: [B, T] int64: above `pad` for tokens, 0 for nodes, `pad` for padding (pad is 1 in RoBERTa).
        attention: [B, T, T] bool, True where row may look at column.
    """

    positions: np.ndarray
    attention: np.ndarray


@dataclass(frozen=True, slots=True)
class GraphTable:
    """The graphs of all documents in four flat arrays."""

    spans: np.ndarray
    span_offsets: np.ndarray
    edges: np.ndarray
    edge_offsets: np.ndarray

    def __getitem__(self, row: int) -> Graph:
        return Graph(
            self.spans[self.span_offsets[row] : self.span_offsets[row + 1]],
            self.edges[self.edge_offsets[row] : self.edge_offsets[row + 1]],
        )

    @classmethod
    def of(cls, graphs: Sequence[Graph]) -> GraphTable:
        """Flattens; an empty graph takes no place."""

        def flat(arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            joined = np.concatenate([np.zeros((0, 2), np.uint16), *arrays]).astype(np.uint16)
            return joined, np.cumsum([0, *(len(array) for array in arrays)], dtype=np.int64)

        return cls(*flat([graph.spans for graph in graphs]), *flat([graph.edges for graph in graphs]))

    def save(self, path: Path) -> None:
        np.savez(
            path,
            spans=self.spans,
            span_offsets=self.span_offsets,
            edges=self.edges,
            edge_offsets=self.edge_offsets,
        )

    @classmethod
    def open(cls, path: Path) -> GraphTable:
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})


def build_graph(
    nodes: Sequence[tuple[int, int]], edges: Sequence[tuple[int, int]], offsets: Sequence[tuple[int, int]]
) -> Graph:
    """Brings a data flow in characters into tokens.

    Args:
        nodes: First character and the one behind the last of each variable occurrence.
        edges: A node and the node that its value comes from.
        offsets: The same two characters of each token that the model reads.

    Returns:
        At most `MAX_NODES` nodes; what lies behind the last token read is gone, and so are its edges.
    """
    starts = np.array([start for start, _ in offsets], np.int64)
    ends = np.array([end for _, end in offsets], np.int64)
    kept: dict[int, int] = {}
    spans = []
    for number, (start, end) in enumerate(nodes):
        first, behind = int(np.searchsorted(ends, start, side="right")), int(np.searchsorted(starts, end, side="left"))
        if first < behind and len(kept) < MAX_NODES and end <= ends[-1]:
            kept[number] = len(kept)
            spans.append((first, behind))
    pairs = [(kept[source], kept[target]) for source, target in edges if source in kept and target in kept]
    return Graph(np.array(spans, np.uint16).reshape(-1, 2), np.array(pairs, np.uint16).reshape(-1, 2))


def append_nodes(
    rows: Sequence[np.ndarray], starts: Sequence[int], graphs: Sequence[Graph], suffix_tokens: int, unknown: int
) -> tuple[list[np.ndarray], list[tuple[int, Graph]]]:
    """Puts an unknown token a node behind each row.

    Args:
        rows: Framed inputs.
        starts: Where the document begins in each.
        graphs: The data flow of each.
        suffix_tokens: Special tokens behind the document.
        unknown: The unknown token.

    Returns:
        The longer rows, and of each its number of tokens before the nodes and the graph in the row's own positions.
    """
    longer, flows = [], []
    for row, start, graph in zip(rows, starts, graphs, strict=True):
        read = len(row) - start - suffix_tokens
        within = graph.spans[:, 1] <= read if len(graph.spans) else np.zeros(0, bool)
        renumbered = np.cumsum(within) - 1
        linked = within[graph.edges].all(axis=1) if len(graph.edges) else np.zeros(0, bool)
        spans = graph.spans[within].astype(np.int64) + start
        longer.append(np.concatenate([row, np.full(len(spans), unknown, row.dtype)]))
        flows.append((len(row), Graph(spans, renumbered[graph.edges[linked]].reshape(-1, 2))))
    return longer, flows


def pad_graphs(
    flows: Sequence[tuple[int, Graph]], ids: np.ndarray, pad: int, special: Sequence[int] = (0, 2)
) -> GraphInput:
    """Positions and attention of padded rows.

    Args:
        flows: As `append_nodes` returned them.
        ids: [B, T] padded ids.
        pad: The padding token, from which RoBERTa counts positions: the first token has `pad + 1`.
        special: Tokens that see everything: `<s>` and `</s>`, as published.
    """
    batch, width = ids.shape
    positions = np.full((batch, width), pad, np.int64)
    attention = np.zeros((batch, width, width), bool)
    for place, (tokens, graph) in enumerate(flows):
        nodes = len(graph.spans)
        positions[place, :tokens] = np.arange(tokens) + pad + 1
        positions[place, tokens : tokens + nodes] = 0
        attention[place, :tokens, :tokens] = True
        attention[place, :tokens][np.isin(ids[place, :tokens], special), : tokens + nodes] = True
        for node, (first, behind) in enumerate(graph.spans):
            attention[place, tokens + node, first:behind] = True
            attention[place, first:behind, tokens + node] = True
        attention[place, tokens + graph.edges[:, 0], tokens + graph.edges[:, 1]] = True
        # A row of padding that sees nothing would be 0 / 0; nobody reads it.
        attention[place, np.arange(width), np.arange(width)] |= np.arange(width) >= tokens + nodes
    return GraphInput(positions, attention)
