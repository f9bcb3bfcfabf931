"""Gradient caching (Gao et al. 2021, arXiv 2101.06983): a contrastive batch of any size in the memory of one pass.

The loss of a batch depends on the model only through the vectors. So: encode without keeping activations, take the
gradient of the loss with respect to the vectors, then encode again pass by pass and push that gradient through. Exact
but for rounding, as long as the two encodings of a pass draw the same dropout, which is why each pass has a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from codeseek.train.models import Tensor, nn, torch

__all__ = ["cached_backward"]

Inputs = dict[str, Tensor]


def cached_backward(
    model: nn.Module,
    passes: Sequence[Inputs],
    loss_of: Callable[[Sequence[Tensor]], Tensor],
    scale: float = 1.0,
    *,
    bf16: bool,
    seed: int,
    cached: bool = True,
) -> float:
    """Adds the gradients of `scale * loss_of([model(**inputs) for inputs in passes])` to the model's parameters.

    Args:
        model: Maps inputs to vectors; under DistributedDataParallel gradients are averaged once, with the last pass.
        passes: The inputs of each forward pass.
        loss_of: The loss as a function of the vectors of all passes.
        scale: Multiplies the gradients.
        bf16: Run the model under bfloat16 autocast.
        seed: Of the dropout.
        cached: False keeps all activations and runs each pass once: faster, where memory allows it.

    Returns:
        The loss, not scaled.
    """
    device = next(model.parameters()).device

    def encode(place: int) -> Tensor:
        torch.manual_seed(seed + place)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            return model(**passes[place])

    if not cached or len(passes) == 1:
        loss = loss_of([encode(place) for place in range(len(passes))])
        (loss * scale).backward()
        return float(loss.detach())

    with torch.no_grad():
        vectors = [encode(place).detach().requires_grad_() for place in range(len(passes))]
    loss = loss_of(vectors)
    (loss * scale).backward()
    for place, vector in enumerate(vectors):
        quiet = getattr(model, "no_sync", nullcontext) if place < len(passes) - 1 else nullcontext
        with quiet():
            encode(place).backward(vector.grad)
    return float(loss.detach())
