"""One step of an encoder of queries, whose documents keep the vectors that they have.

As ADORE (Zhan et al. 2021, arXiv 2104.08051): documents do not change, so a query meets all those of its repository in
every step, which are the negatives that a search will put before it, at the price of reading a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codeseek.train.gradcache import cached_backward
from codeseek.train.inputs import Assembler, Padded
from codeseek.train.losses import marginal_cross_entropy
from codeseek.train.models import Tensor, nn, torch
from codeseek.train.objectives import DROPOUT_SEEDS, QueriesOptions, ordered_vectors, tensors_of
from codeseek.train.relevance import Relevance

__all__ = ["QueriesBatch", "QueriesObjective"]


@dataclass(frozen=True, slots=True)
class QueriesBatch:
    """A batch of B queries and the N documents of their repositories.

    Args:
        queries: Inputs of the B queries.
        documents: [N] rows.
        relevant: [B, N] bool, True where a document answers a query.
        seed: Of the dropout.
    """

    queries: list[Padded]
    documents: np.ndarray
    relevant: np.ndarray
    seed: int


class QueriesObjective:
    """Brings a query to one of its answers, away from all other documents of the repositories of the batch."""

    def __init__(
        self,
        model: nn.Module,
        documents: np.ndarray,
        assembler: Assembler,
        relevance: Relevance,
        options: QueriesOptions,
    ) -> None:
        """Args:
        model: Encodes queries.
        documents: [N, D] unit rows, the vectors of all documents of the set.
        """
        self.model = model
        self._documents = torch.from_numpy(documents)
        self._assembler, self._relevance, self._options = assembler, relevance, options

    def prepare(self, queries: np.ndarray, random: np.random.Generator) -> QueriesBatch:
        training = self._assembler.training
        homes = np.unique(training.repository[training.positive[queries]])
        documents = np.flatnonzero(np.isin(training.repository, homes))
        relevant = self._relevance(queries[:, None], documents[None, :])
        seed = int(random.integers(DROPOUT_SEEDS))
        return QueriesBatch(self._assembler.queries(queries), documents, relevant, seed)

    def backward(self, batch: QueriesBatch, scale: float) -> float:
        device = next(self.model.parameters()).device
        passes = [tensors_of(padded, device) for padded in batch.queries]
        documents = self._documents[torch.from_numpy(batch.documents)].to(device)
        relevant = torch.from_numpy(batch.relevant).to(device)

        def loss_of(vectors: Sequence[Tensor]) -> Tensor:
            scores = ordered_vectors(vectors, batch.queries) @ documents.T * self._options.scale
            return marginal_cross_entropy(scores, relevant)

        return cached_backward(
            self.model, passes, loss_of, scale, bf16=self._options.bf16, seed=batch.seed, cached=False
        )

    def inputs(self, batch: QueriesBatch) -> int:
        return len(batch.relevant)
