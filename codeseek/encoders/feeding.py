"""How a model is fed: the special tokens around a text or a pair, how much of each is read, and the batches.

Training writes these facts into the model's folder (`codeseek.json`), so that serving needs no rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from codeseek.errors import ModelError

__all__ = [
    "Batch",
    "Feeding",
    "document_room",
    "feeding_record",
    "frame_pairs",
    "frame_texts",
    "iter_batches",
    "parse_feeding",
]

POOLINGS = ("mean", "cls")
HEADS = ("", "dense-tanh-linear", "dense-tanh-linear-tanh")


@dataclass(frozen=True, slots=True)
class Feeding:
    """What a model reads and how its answer is formed.

    Args:
        kind: `dual-encoder` or `cross-encoder`.
        pooling: `mean` over all tokens that are not padding, or `cls`.
        query_max_tokens: Tokens of a query, special ones not counted.
        document_max_tokens: Tokens of a document, special ones not counted.
        max_tokens: Tokens of a whole input, special ones counted.
        prefix: Ids before the first text: `[CLS]`, for UniXcoder `<s><encoder-only></s>`.
        between: Ids between query and document.
        suffix: Ids after the last text.
        document_type: Token type of what follows `between`; 0 where the model knows one type only (RoBERTa).
        head: `dense-tanh-linear` or `dense-tanh-linear-tanh` behind the pooling, or empty.
        pad: Fills a row up.
        query_prompt: Put before each query, as models trained with instructions want it.
        document_prompt: The same for documents.
        passages: A pair's document is cut to what suits the query (`passages.PassageSelector`), not at its beginning.
    """

    kind: str
    pooling: str
    query_max_tokens: int
    document_max_tokens: int
    max_tokens: int
    prefix: tuple[int, ...]
    between: tuple[int, ...]
    suffix: tuple[int, ...]
    document_type: int
    head: str = ""
    pad: int = 0
    query_prompt: str = ""
    document_prompt: str = ""
    passages: bool = False

    @property
    def frame_tokens(self) -> int:
        """Special tokens around a pair."""
        return len(self.prefix) + len(self.between) + len(self.suffix)


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs of one forward pass, longest first.

    Args:
        rows: [B] which of the inputs these are.
        ids: [B, T] int64.
        types: [B, T] int64.
        lengths: [B] int32, tokens that are not padding.
    """

    rows: np.ndarray
    ids: np.ndarray
    types: np.ndarray
    lengths: np.ndarray


def parse_feeding(record: Mapping[str, Any], place: str) -> Feeding:
    """Checks what a file says.

    Args:
        record: Keys as the fields of `Feeding`; those with a default may be missing.
        place: Named in errors.

    Raises:
        ModelError: If a key is missing or unknown or holds a value that no model can be fed by.
    """
    if "data_flow" in record:
        raise ModelError(f"cannot read {place}: the model reads data flow, which a search does not find")
    known = {field.name for field in fields(Feeding)}
    if unknown := set(record) - known:
        raise ModelError(f"cannot read {place}: unknown key {min(unknown)!r}")
    try:
        tuples = {key: tuple(record[key]) for key in ("prefix", "between", "suffix") if key in record}
        feeding = Feeding(**{**record, **tuples})
        room = feeding.max_tokens - feeding.frame_tokens
        has_room = min(feeding.query_max_tokens, feeding.document_max_tokens, room) > 0
    except TypeError as error:
        raise ModelError(f"cannot read {place}: {error}") from error
    if not isinstance(feeding.passages, bool):
        raise ModelError(f"cannot read {place}: passages {feeding.passages!r} is neither true nor false")
    if feeding.passages and feeding.kind != "cross-encoder":
        raise ModelError(f"cannot read {place}: a {feeding.kind} reads no passages")
    if feeding.pooling not in POOLINGS:
        raise ModelError(f"cannot read {place}: pooling {feeding.pooling!r} is none of {', '.join(POOLINGS)}")
    if feeding.head not in HEADS:
        raise ModelError(f"cannot read {place}: unknown head {feeding.head!r}")
    if not has_room:
        raise ModelError(f"cannot read {place}: {feeding.max_tokens} tokens leave no room for a text")
    return feeding


def feeding_record(feeding: Feeding) -> dict[str, Any]:
    """What a model's folder says of its feeding, as `parse_feeding` reads it.

    Models are named by a hash of it, and vectors by their model: a field that came later is left out where it says
    what was so before.
    """
    record = asdict(feeding)
    if not feeding.passages:
        del record["passages"]
    return record


def document_room(feeding: Feeding, query_tokens: int) -> int:
    """Tokens of a document that fit beside a query of so many."""
    return max(0, min(feeding.document_max_tokens, feeding.max_tokens - feeding.frame_tokens - query_tokens))


def frame_texts(feeding: Feeding, texts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Frames single texts: prefix text suffix, the text cut at `max_tokens`."""
    room = feeding.max_tokens - len(feeding.prefix) - len(feeding.suffix)
    return [[*feeding.prefix, *text[:room], *feeding.suffix] for text in texts]


def frame_pairs(
    feeding: Feeding, query: Sequence[int], documents: Sequence[Sequence[int]]
) -> tuple[list[list[int]], int]:
    """Frames pairs: prefix query between document suffix; the document is cut where the input would grow too long.

    Returns:
        The rows, and the position where the documents begin.
    """
    most = feeding.max_tokens - feeding.frame_tokens
    query = query[:most]
    head = [*feeding.prefix, *query, *feeding.between]
    room = most - len(query)
    return [[*head, *document[:room], *feeding.suffix] for document in documents], len(head)


def iter_batches(
    feeding: Feeding, rows: Sequence[Sequence[int]], start: int | None, max_rows: int, max_tokens: int
) -> Iterator[Batch]:
    """Pads framed rows into batches, longest first, so that little is padded.

    Args:
        feeding: For the padding and the document's token type.
        rows: Of token ids.
        start: Where the documents of pairs begin; None for single texts.
        max_rows: Of a batch.
        max_tokens: Padded tokens of a batch; a longer row comes alone.
    """
    lengths = np.array([len(row) for row in rows], np.int32)
    order = np.argsort(-lengths, kind="stable")
    done = 0
    while done < len(order):
        width = int(lengths[order[done]])
        chosen = order[done : done + max(1, min(max_rows, max_tokens // max(width, 1)))]
        done += len(chosen)
        ids = np.full((len(chosen), width), feeding.pad, np.int64)
        types = np.zeros_like(ids)
        for place, row in enumerate(chosen):
            ids[place, : lengths[row]] = rows[row]
            if start is not None:
                types[place, start : lengths[row]] = feeding.document_type
        yield Batch(chosen, ids, types, lengths[chosen])
