"""One step of the dual-encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codeseek.train.gradcache import cached_backward
from codeseek.train.inputs import Assembler, Padded
from codeseek.train.losses import info_nce
from codeseek.train.models import Tensor, nn, torch
from codeseek.train.objectives import DROPOUT_SEEDS, DualOptions, ordered_vectors, tensors_of
from codeseek.train.relevance import Relevance
from codeseek.train.sampling import NegativeSource
from codeseek.train.world import World

__all__ = ["DualBatch", "DualObjective"]

# Between the dropout seeds of two processes: more passes than a batch has.
SEED_STRIDE = 1 << 20


@dataclass(frozen=True, slots=True)
class DualBatch:
    """A batch, of which one process encodes its share.

    Args:
        queries: B.
        documents: [N] rows, the positives of the B queries first, then hard negatives, none twice.
        excluded: [B, N], True where a document is relevant to a query without being its positive.
        query_passes: Inputs of this process's share of the queries.
        document_passes: Inputs of its share of the documents.
        seed: Of the dropout.
    """

    queries: int
    documents: np.ndarray
    excluded: np.ndarray
    query_passes: list[Padded]
    document_passes: list[Padded]
    seed: int


class DualObjective:
    """InfoNCE in both directions over the batch and its mined negatives, gathered from every process."""

    def __init__(
        self,
        model: nn.Module,
        assembler: Assembler,
        relevance: Relevance,
        source: NegativeSource | None,
        options: DualOptions,
        *,
        world: World | None = None,
    ) -> None:
        self.model = model
        self._assembler, self._relevance, self._source, self._options = assembler, relevance, source, options
        self._world = world or World()

    def prepare(self, queries: np.ndarray, random: np.random.Generator) -> DualBatch:
        documents = self._assembler.training.positive[queries]
        if self._source is not None and self._options.hard_negatives:
            mined = self._source.draw(queries, self._options.hard_negatives, random)
            documents = self._with_negatives(documents, mined)
        excluded = self._relevance(queries[:, None], documents[None, :])
        np.fill_diagonal(excluded, False)
        return DualBatch(
            len(queries),
            documents,
            excluded,
            self._assembler.queries(queries[self._world.share(len(queries))]),
            self._assembler.documents(documents[self._world.share(len(documents))]),
            int(random.integers(DROPOUT_SEEDS)) + self._world.rank * SEED_STRIDE,
        )

    def backward(self, batch: DualBatch, scale: float) -> float:
        device = next(self.model.parameters()).device
        queries = [tensors_of(padded, device) for padded in batch.query_passes]
        documents = [tensors_of(padded, device) for padded in batch.document_passes]
        excluded = torch.from_numpy(batch.excluded).to(device)

        def loss_of(vectors: Sequence[Tensor]) -> Tensor:
            own_queries = ordered_vectors(vectors[: len(queries)], batch.query_passes)
            own_documents = ordered_vectors(vectors[len(queries) :], batch.document_passes)
            return info_nce(
                self._world.gather(own_queries, batch.queries),
                self._world.gather(own_documents, len(batch.documents)),
                self._options.scale,
                excluded=excluded,
            )

        # Each process holds the whole loss but the gradient of its share: their average times the size is their sum.
        return cached_backward(
            self.model,
            [*queries, *documents],
            loss_of,
            scale * self._world.size,
            bf16=self._options.bf16,
            seed=batch.seed,
            cached=self._options.cached,
        )

    def inputs(self, batch: DualBatch) -> int:
        return len(batch.documents)

    def _with_negatives(self, positives: np.ndarray, mined: np.ndarray) -> np.ndarray:
        """Appends the mined documents whose text is not in the batch yet."""
        hashes = self._assembler.training.document_hash
        seen = set(hashes[positives].tolist())
        extra = []
        for row in mined[mined >= 0].tolist():
            if int(hashes[row]) not in seen:
                seen.add(int(hashes[row]))
                extra.append(row)
        return np.concatenate([positives, np.array(extra, positives.dtype)])
