"""What the loop needs of a training task, batches out of rows of queries and gradients out of batches; its options.

`prepare` runs ahead of the step in a thread of its own and touches numpy alone; `backward` runs the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from codeseek.train.inputs import Padded
from codeseek.train.models import Tensor, nn, torch

__all__ = [
    "DROPOUT_SEEDS",
    "CrossOptions",
    "DistilOptions",
    "DualOptions",
    "Objective",
    "QueriesOptions",
    "ordered_vectors",
    "tensors_of",
]

# Seeds of dropout are drawn below this: passes and processes count on from them.
DROPOUT_SEEDS = 1 << 40


@dataclass(frozen=True, slots=True)
class CrossOptions:
    """Args:
    negatives: M; 31 in the paper.
    temperature: Multiplies the scores before the softmax. The released model bounds its score to [-1, 1] by tanh, hence
        20 (CSN, CoSQA) or 40 (StaQC, AdvTest) there; our score is a free logit, which learns its own scale, hence 1.
    bf16: Run the trunk under bfloat16 autocast.
    teacher_weight: Share of the distillation loss, in [0, 1].
    teacher_loss: `kl` or `margin-mse`.
    teacher_temperature: Multiplies student's and teacher's scores in `kl`.
    residual: Multiplies the first stage's score, which is added before the softmax: the ranker then learns what to add
        to that score, which is how a search blends them. 0 for the paper's loss.
    """

    negatives: int = 7
    temperature: float = 1.0
    bf16: bool = True
    teacher_weight: float = 0.0
    teacher_loss: str = "kl"
    teacher_temperature: float = 1.0
    residual: float = 0.0


@dataclass(frozen=True, slots=True)
class DualOptions:
    """Args:
    scale: Multiplies the cosine; 20 as in UniXcoder's and R2PS's code, the inverse of a temperature of 0.05.
    hard_negatives: Mined negatives a query.
    bf16: Run the trunk under bfloat16 autocast.
    cached: Keep vectors only and compute activations twice (GradCache), so that memory does not grow with the batch.
    """

    scale: float = 20.0
    hard_negatives: int = 0
    bf16: bool = True
    cached: bool = True


@dataclass(frozen=True, slots=True)
class DistilOptions:
    """Args:
    scale: Multiplies the cosine where documents are ordered by it.
    others: Further documents a query, of its repository.
    bf16: Run the trunk under bfloat16 autocast.
    """

    scale: float = 20.0
    others: int = 1
    bf16: bool = True


@dataclass(frozen=True, slots=True)
class QueriesOptions:
    """Args:
    scale: Multiplies the cosine before the softmax.
    bf16: Run the trunk under bfloat16 autocast.
    """

    scale: float = 20.0
    bf16: bool = True


class Objective(Protocol):
    """A training task; `model` is what runs, wrapped where several processes train it."""

    model: nn.Module

    def prepare(self, queries: np.ndarray, random: np.random.Generator) -> Any:
        """Builds a batch from rows of queries; nothing but the arguments decides what comes out."""

    def backward(self, batch: Any, scale: float) -> float:
        """Adds the gradients of `scale` times the batch's mean loss; returns that loss, unscaled."""

    def inputs(self, batch: Any) -> int:
        """Texts or pairs that all processes together read for this batch."""


def tensors_of(padded: Padded, device: torch.device) -> dict[str, Tensor]:
    """The arguments of a model's forward pass, on the device."""
    arrays = {"ids": padded.ids, "types": padded.types, "mask": padded.mask}
    if padded.graph is not None:
        arrays |= {"positions": padded.graph.positions, "attention": padded.graph.attention}
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def ordered_vectors(vectors: Sequence[Tensor], passes: Sequence[Padded]) -> Tensor:
    """Joins the outputs of forward passes and brings them back into the batch's order."""
    order = np.argsort(np.concatenate([padded.rows for padded in passes]))
    return torch.cat(list(vectors))[torch.from_numpy(order).to(vectors[0].device)]
