"""The cross-encoder over either runtime: reads a query and a document together and says how well they match."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from codeseek.encoders.dual import Runtime
from codeseek.encoders.feeding import Feeding, document_room, frame_pairs, iter_batches
from codeseek.encoders.folder import Part, default_folder, is_shipped, open_folder
from codeseek.encoders.passages import PassageSelector, source_tokens
from codeseek.encoders.tokens import load_tokenizer, token_ids
from codeseek.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["CrossEncoder", "PairReader", "load_cross", "ranker_part"]


class PairReader:
    """Makes rows of token ids of a query and documents."""

    def __init__(self, feeding: Feeding, tokenizer: Tokenizer) -> None:
        self._feeding = feeding
        self._tokenizer = tokenizer
        self._passages = PassageSelector(tokenizer.id_to_token) if feeding.passages else None

    def rows(self, query: str, documents: Sequence[str]) -> tuple[list[list[int]], int]:
        """Returns the framed rows and the position where the documents begin."""
        feeding = self._feeding
        (query_ids,) = token_ids(self._tokenizer, [feeding.query_prompt + query], feeding.query_max_tokens)
        texts = [feeding.document_prompt + document for document in documents] if feeding.document_prompt else documents
        most = feeding.document_max_tokens
        ids: Sequence[Sequence[int]]
        if self._passages is None:
            ids = token_ids(self._tokenizer, texts, most)
        else:
            ids = token_ids(self._tokenizer, texts, source_tokens(most))
            room = document_room(feeding, len(query_ids))
            ids = [self._passages.cut(query_ids, document, room) for document in ids]
        return frame_pairs(feeding, query_ids, ids)


class CrossEncoder:
    """Implements `types.Ranker`: [CLS] query [SEP] document [SEP], in batches sorted by length."""

    def __init__(self, name: str, feeding: Feeding, tokenizer: Tokenizer, runtime: Runtime) -> None:
        self.name = name
        self._feeding = feeding
        self._reader = PairReader(feeding, tokenizer)
        self._runtime = runtime

    def rank(self, query: str, documents: Sequence[str]) -> np.ndarray:
        """Returns [N] float32, one logit a document, in the order given; a logit does not depend on the others."""
        scores = np.empty(len(documents), np.float32)
        rows, start = self._reader.rows(query, documents)
        for batch, found in self._runtime.run_all(iter_batches(self._feeding, rows, start, *self._runtime.limits)):
            scores[batch.rows] = found
        return scores


def load_cross(folder: Path, device: str, threads: int | None) -> CrossEncoder:
    """Loads a cross-encoder in our format or in the hub's layout.

    Args:
        folder: Of the model.
        device: cpu, cuda or mps.
        threads: Of the CPU; None for all that the process may use.

    Raises:
        ModelError, DeviceError: If it cannot be loaded.
    """
    if folder == default_folder() or is_shipped(folder):
        part = ranker_part(folder)
        runtime: Runtime
        if device == "cpu":
            from codeseek.encoders.onnx import OnnxModel

            runtime = OnnxModel(folder / "ranker.onnx", threads)
        else:
            from codeseek.encoders.torch import load_shipped

            runtime = load_shipped(folder, "ranker", part, device)
        return CrossEncoder(part.name, part.feeding, load_tokenizer(folder), runtime)

    from codeseek.encoders.checkpoints import foreign_tokenizer
    from codeseek.encoders.hub import open_foreign
    from codeseek.encoders.torch import load_foreign_runtime

    found = open_foreign(folder, "cross-encoder")
    runtime = load_foreign_runtime(folder, found.feeding, classifier=found.classifier, device=device, threads=threads)
    return CrossEncoder(found.name, found.feeding, foreign_tokenizer(folder), runtime)


def ranker_part(folder: Path) -> Part:
    """Returns what a folder in our format says of its ranker.

    Raises:
        ModelError: If it holds none.
    """
    part = open_folder(folder).ranker
    if part is None:
        raise ModelError(f"cannot load a ranker from {folder}: it holds only an encoder")
    return part
