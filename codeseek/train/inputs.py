"""From rows of token ids to the padded arrays that a forward pass reads. Numpy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from codeseek.encoders.feeding import Feeding, document_room
from codeseek.encoders.passages import PassageSelector
from codeseek.train.data import TrainingSet
from codeseek.train.flowgraph import GraphInput, append_nodes, pad_graphs

__all__ = ["Assembler", "Padded", "frame_pairs", "frame_texts", "pack"]

# Row lengths are rounded up to this, which the kernels of both devices prefer.
LENGTH_MULTIPLE = 8


@dataclass(frozen=True, slots=True)
class Padded:
    """Inputs of one forward pass.

    Args:
        rows: [B] which of the inputs these are.
        ids: [B, T] int64.
        types: [B, T] int64.
        mask: [B, T] int64, 1 where there is a token.
        graph: Positions and attention of GraphCodeBERT's data flow; None for every other model.
    """

    rows: np.ndarray
    ids: np.ndarray
    types: np.ndarray
    mask: np.ndarray
    graph: GraphInput | None = None


@dataclass(frozen=True, slots=True)
class Assembler:
    """Makes inputs of a set's queries and documents.

    Args:
        training: Where the tokens are.
        feeding: The special tokens and the longest input.
        budget_tokens: Padded tokens of one forward pass.
        unknown: The token that stands for a node of the data flow.
        passages: Cuts the documents of pairs for their queries; None to cut them at their beginning.
    """

    training: TrainingSet
    feeding: Feeding
    budget_tokens: int
    unknown: int = 0
    passages: PassageSelector | None = None

    def queries(self, rows: np.ndarray) -> list[Padded]:
        """Queries alone."""
        return self._pad(frame_texts(self.feeding, [self.training.queries[row] for row in rows]), None, None)

    def documents(self, rows: np.ndarray) -> list[Padded]:
        """Documents alone, with their data flow where the set has it."""
        return self._pad(frame_texts(self.feeding, [self.training.documents[row] for row in rows]), None, rows)

    def pairs(self, queries: np.ndarray, documents: np.ndarray) -> list[Padded]:
        """Queries and documents, row by row in one input."""
        framed, starts = frame_pairs(
            self.feeding,
            [self.training.queries[row] for row in queries],
            [self._document(query, row) for query, row in zip(queries, documents, strict=True)],
        )
        return self._pad(framed, starts, documents)

    def _document(self, query_row: int, row: int) -> np.ndarray:
        whole = self.training.documents[row]
        if self.passages is None:
            return whole
        query = self.training.queries[query_row].tolist()  # lists are read faster than mapped arrays
        room = document_room(self.feeding, len(query))
        return np.array(self.passages.cut(query, whole.tolist(), room), np.int64)

    def _pad(self, framed: list[np.ndarray], starts: list[int] | None, documents: np.ndarray | None) -> list[Padded]:
        flows = None
        if self.training.graphs is not None and documents is not None:
            begins = starts if starts is not None else [len(self.feeding.prefix)] * len(framed)
            tables = [self.training.graphs[row] for row in documents]
            framed, flows = append_nodes(framed, begins, tables, len(self.feeding.suffix), self.unknown)
        lengths = np.array([len(row) for row in framed])
        passes = []
        for chosen in pack(lengths, self.budget_tokens):
            width = _round_up(int(lengths[chosen].max()))
            ids = np.full((len(chosen), width), self.feeding.pad, np.int64)
            types = np.zeros((len(chosen), width), np.int64)
            mask = np.zeros((len(chosen), width), np.int64)
            for place, row in enumerate(chosen):
                ids[place, : lengths[row]] = framed[row]
                mask[place, : lengths[row]] = 1
                if starts is not None:
                    types[place, starts[row] : lengths[row]] = self.feeding.document_type
            graph = None if flows is None else pad_graphs([flows[row] for row in chosen], ids, self.feeding.pad)
            passes.append(Padded(chosen, ids, types, mask, graph))
        return passes


def frame_texts(feeding: Feeding, tokens: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Frames single texts: prefix text suffix, the text cut at `max_tokens`."""
    prefix, suffix = np.array(feeding.prefix), np.array(feeding.suffix)
    room = feeding.max_tokens - len(prefix) - len(suffix)
    return [np.concatenate([prefix, row[:room], suffix]) for row in tokens]


def frame_pairs(
    feeding: Feeding, queries: Sequence[np.ndarray], documents: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[int]]:
    """Frames pairs: prefix query between document suffix; the document is cut where the input would grow too long.

    The same frame as `encoders.feeding.frame_pairs`, for a query of its own a row.

    Returns:
        The rows, and of each the position where the document's part begins.
    """
    prefix, between, suffix = (np.array(part) for part in (feeding.prefix, feeding.between, feeding.suffix))
    most = feeding.max_tokens - feeding.frame_tokens
    rows, starts = [], []
    for query, document in zip(queries, documents, strict=True):
        query = query[:most]
        room = most - len(query)
        rows.append(np.concatenate([prefix, query, between, document[:room], suffix]))
        starts.append(len(prefix) + len(query) + len(between))
    return rows, starts


def pack(lengths: np.ndarray, budget_tokens: int) -> Iterator[np.ndarray]:
    """Splits inputs into forward passes of at most `budget_tokens` padded tokens (or one input), longest first."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = _round_up(int(lengths[order[start]]))
        count = max(1, budget_tokens // longest)
        yield order[start : start + count]
        start += count


def _round_up(length: int) -> int:
    return -(-length // LENGTH_MULTIPLE) * LENGTH_MULTIPLE
