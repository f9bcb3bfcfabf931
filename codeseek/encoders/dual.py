"""The dual-encoder over either runtime: texts in, unit vectors out, in the order given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from codeseek.encoders.feeding import Batch, Feeding, frame_texts, iter_batches
from codeseek.encoders.tokens import token_ids

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["DualEncoder", "Runtime"]

# Texts tokenised and sorted by length together: enough for little padding, few enough to bound memory.
WINDOW_TEXTS = 4096


class Runtime(Protocol):
    """A model in onnxruntime or torch; `limits` are the rows and the padded tokens of a batch that suits it."""

    limits: tuple[int, int]

    def run_all(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, np.ndarray]]:
        """Yields each batch with [B, D] unit vectors of an encoder or [B] logits of a ranker, float32."""


class DualEncoder:
    """Implements `types.Encoder`.

    Args:
        documents: The feeding and runtime of the model that reads the documents, where it is another one than that of
            the queries.
    """

    def __init__(
        self,
        name: str,
        dimension: int,
        feeding: Feeding,
        tokenizer: Tokenizer,
        runtime: Runtime,
        documents: tuple[Feeding, Runtime] | None = None,
    ) -> None:
        self.name = name
        self.dimension = dimension
        self._queries = (feeding, runtime)
        self._documents = documents or self._queries
        self._tokenizer = tokenizer

    def encode_queries(self, queries: Sequence[str]) -> np.ndarray:
        """Returns [Q, D] float32 with unit rows."""
        feeding, runtime = self._queries
        return self._encode(queries, feeding, runtime, feeding.query_prompt, feeding.query_max_tokens)

    def encode_documents(self, documents: Sequence[str]) -> np.ndarray:
        """Returns [N, D] float32 with unit rows, in the order given."""
        feeding, runtime = self._documents
        return self._encode(documents, feeding, runtime, feeding.document_prompt, feeding.document_max_tokens)

    def _encode(
        self, texts: Sequence[str], feeding: Feeding, runtime: Runtime, prompt: str, max_tokens: int
    ) -> np.ndarray:
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), WINDOW_TEXTS):
            window = texts[start : start + WINDOW_TEXTS]
            ids = token_ids(self._tokenizer, [prompt + text for text in window] if prompt else window, max_tokens)
            batches = iter_batches(feeding, frame_texts(feeding, ids), None, *runtime.limits)
            for batch, found in runtime.run_all(batches):
                vectors[start + batch.rows] = found
        return vectors
