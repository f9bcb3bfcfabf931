"""One step of the cross-encoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codeseek.train.inputs import Assembler, Padded
from codeseek.train.losses import listwise_cross_entropy, listwise_divergence, margin_mse
from codeseek.train.models import Tensor, nn, torch
from codeseek.train.objectives import DROPOUT_SEEDS, CrossOptions, tensors_of
from codeseek.train.rankings import TeacherScores
from codeseek.train.sampling import NegativeSource
from codeseek.train.world import World

__all__ = ["CrossBatch", "CrossObjective"]


@dataclass(frozen=True, slots=True)
class CrossBatch:
    """What one process reads of a batch.

    Args:
        documents: [B, 1 + M] rows of documents, the positive first, -1 where a negative is missing.
        passes: The inputs; their `rows` number the cells of `documents`, row by row.
        teacher: [B, 1 + M] the teacher's scores, NaN where unknown; None without a teacher.
        first_stage: [B, 1 + M] the first stage's scores; None where the loss does not hold them.
        inputs: Pairs that all processes together read.
        seed: Of the dropout.
    """

    documents: np.ndarray
    passes: list[Padded]
    teacher: np.ndarray | None
    first_stage: np.ndarray | None
    inputs: int
    seed: int


class CrossObjective:
    """Softmax cross-entropy over one positive and M negatives a query, optionally with a teacher's scores.

    Several processes share the queries of a batch evenly; negatives are drawn for the whole batch first, so in-batch
    negatives come from every process's queries.
    """

    def __init__(
        self,
        model: nn.Module,
        assembler: Assembler,
        source: NegativeSource,
        options: CrossOptions,
        *,
        teacher: TeacherScores | None = None,
        first_stage: TeacherScores | None = None,
        world: World | None = None,
    ) -> None:
        self.model = model
        self._assembler, self._source, self._options = assembler, source, options
        self._teacher, self._first_stage = teacher, first_stage
        self._world = world or World()

    def prepare(self, queries: np.ndarray, random: np.random.Generator) -> CrossBatch:
        negatives = self._source.draw(queries, self._options.negatives, random)
        seed = int(random.integers(DROPOUT_SEEDS)) + self._world.rank
        whole = np.concatenate([self._assembler.training.positive[queries][:, None], negatives], axis=1)
        own = self._world.share(len(queries))
        queries, documents = queries[own], whole[own]
        present = np.flatnonzero(documents.reshape(-1) >= 0)
        asked = np.repeat(queries, documents.shape[1])[present]
        padded = self._assembler.pairs(asked, documents.reshape(-1)[present])
        passes = [Padded(present[one.rows], one.ids, one.types, one.mask, one.graph) for one in padded]
        teacher = None if self._teacher is None else self._teacher.lookup(queries, documents)
        first_stage = None
        if self._first_stage is not None:
            first_stage = _with_unlisted(self._first_stage.lookup(queries, documents))
        return CrossBatch(documents, passes, teacher, first_stage, int((whole >= 0).sum()), seed)

    def backward(self, batch: CrossBatch, scale: float) -> float:
        device = next(self.model.parameters()).device
        torch.manual_seed(batch.seed)
        scores = self._scores(batch, device)
        present = torch.from_numpy(batch.documents >= 0).to(device)
        if batch.first_stage is not None:
            scores = scores + self._options.residual * torch.from_numpy(batch.first_stage).to(device)
        loss = listwise_cross_entropy(scores, present, self._options.temperature)
        if batch.teacher is not None and self._options.teacher_weight:
            weight = self._options.teacher_weight
            loss = (1 - weight) * loss + weight * self._distillation(scores, batch.teacher, device)
        (loss * scale).backward()
        return float(loss.detach())

    def inputs(self, batch: CrossBatch) -> int:
        return batch.inputs

    def _scores(self, batch: CrossBatch, device: torch.device) -> Tensor:
        """[B, 1 + M]; 0 where a negative is missing."""
        parts = []
        for padded in batch.passes:
            with torch.autocast(device.type, torch.bfloat16, enabled=self._options.bf16):
                parts.append(self.model(**tensors_of(padded, device)))
        cells = torch.from_numpy(np.concatenate([padded.rows for padded in batch.passes])).to(device)
        flat = torch.zeros(batch.documents.size, device=device).index_put((cells,), torch.cat(parts))
        return flat.view(batch.documents.shape)

    def _distillation(self, scores: Tensor, teacher: np.ndarray, device: torch.device) -> Tensor:
        known = torch.from_numpy(~np.isnan(teacher)).to(device)
        target = torch.from_numpy(np.nan_to_num(teacher)).to(device)
        if self._options.teacher_loss == "margin-mse":
            return margin_mse(scores, target, known)
        return listwise_divergence(scores, target, known, self._options.teacher_temperature)


def _with_unlisted(scores: np.ndarray) -> np.ndarray:
    """[B, 1 + M] without NaN: what the first stage did not list gets the worst score of its row, or 0."""
    worst = np.where(np.isnan(scores), np.inf, scores).min(axis=1, keepdims=True)
    return np.where(np.isnan(scores), np.where(np.isfinite(worst), worst, 0.0), scores).astype(np.float32)
