"""One step of an encoder of documents, taught by the dual-encoder that goes on reading the queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codeseek.train.gradcache import cached_backward
from codeseek.train.inputs import Assembler, Padded
from codeseek.train.losses import vector_distillation
from codeseek.train.models import DualEncoder, Tensor, nn, torch
from codeseek.train.objectives import DROPOUT_SEEDS, DistilOptions, ordered_vectors, tensors_of
from codeseek.train.relevance import Relevance
from codeseek.train.sampling import NegativeSource

__all__ = ["DistilBatch", "DistilObjective"]


@dataclass(frozen=True, slots=True)
class DistilBatch:
    """A batch of B queries and N documents.

    Args:
        excluded: [B, N], True where a document is relevant to a query without being its positive.
        queries: Inputs of the B queries.
        documents: Inputs of the N documents, the positives of the queries first.
        seed: Of the dropout.
    """

    excluded: np.ndarray
    queries: list[Padded]
    documents: list[Padded]
    seed: int


class DistilObjective:
    """Brings the vectors of documents to the teacher's, and their order by the teacher's queries with them."""

    def __init__(
        self,
        model: nn.Module,
        teacher: DualEncoder,
        assembler: Assembler,
        relevance: Relevance,
        source: NegativeSource,
        options: DistilOptions,
    ) -> None:
        """Args:
        model: Encodes documents.
        teacher: Encodes queries and, for comparison, documents.
        source: Of further documents.
        """
        self.model = model
        self._teacher = teacher.eval().requires_grad_(False)
        self._assembler, self._relevance, self._source, self._options = assembler, relevance, source, options

    def prepare(self, queries: np.ndarray, random: np.random.Generator) -> DistilBatch:
        positives = self._assembler.training.positive[queries]
        others = self._source.draw(queries, self._options.others, random)
        documents = np.concatenate([positives, np.setdiff1d(others[others >= 0], positives)])
        excluded = self._relevance(queries[:, None], documents[None, :])
        np.fill_diagonal(excluded, False)
        seed = int(random.integers(DROPOUT_SEEDS))
        return DistilBatch(excluded, self._assembler.queries(queries), self._assembler.documents(documents), seed)

    def backward(self, batch: DistilBatch, scale: float) -> float:
        device = next(self.model.parameters()).device
        documents = [tensors_of(padded, device) for padded in batch.documents]
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=self._options.bf16):
            queries = self._taught(batch.queries, [tensors_of(padded, device) for padded in batch.queries])
            wanted = self._taught(batch.documents, documents)
        excluded = torch.from_numpy(batch.excluded).to(device)

        def loss_of(vectors: Sequence[Tensor]) -> Tensor:
            return vector_distillation(
                queries, ordered_vectors(vectors, batch.documents), wanted, self._options.scale, excluded=excluded
            )

        return cached_backward(
            self.model, documents, loss_of, scale, bf16=self._options.bf16, seed=batch.seed, cached=False
        )

    def inputs(self, batch: DistilBatch) -> int:
        return batch.excluded.shape[1]

    def _taught(self, passes: Sequence[Padded], inputs: Sequence[dict[str, Tensor]]) -> Tensor:
        return ordered_vectors([self._teacher(**one) for one in inputs], passes)
