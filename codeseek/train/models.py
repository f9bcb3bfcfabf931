"""The door through which training meets torch and transformers: the trunk, and the two models made of one."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import torch
    import torch.distributed as distributed
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    from codeseek.errors import REINSTALL, ModelError

    raise ModelError("training needs torch, which is not installed", hint=REINSTALL) from error

from codeseek.device import resolve_device
from codeseek.errors import ModelError, UsageError

__all__ = [
    "CrossEncoder",
    "DualEncoder",
    "Tensor",
    "TrunkOptions",
    "bf16_is_faster",
    "choose_layers",
    "distributed",
    "first_line",
    "functional",
    "load_trunk",
    "nn",
    "prepare_device",
    "torch",
]


@dataclass(frozen=True, slots=True)
class TrunkOptions:
    """How a trunk is loaded.

    Args:
        layers: Which layers of the checkpoint to keep, in this order; empty keeps all.
        attention: `sdpa` or `eager`.
        dropout: Replaces the checkpoint's own.
        freeze_tokens: Leave token, position and type embeddings as they are.
        freeze_layers: Leave so many of the lowest layers as they are, too; their backward pass is saved.
    """

    layers: tuple[int, ...] = ()
    attention: str = "sdpa"
    dropout: float = 0.0
    freeze_tokens: bool = False
    freeze_layers: int = 0


def choose_layers(path: Path | str, wanted: str) -> tuple[int, ...]:
    """Reads the option `--layers`: empty for all, a number for so many spread evenly, or a list like `0,2,4`.

    Raises:
        UsageError: If it is neither.
        ModelError: If the folder's configuration cannot be read.
    """
    if not wanted:
        return ()
    try:
        numbers = tuple(int(part) for part in wanted.split(","))
    except ValueError as error:
        raise UsageError(f"--layers {wanted!r} is neither a number nor a list like 0,2,4") from error
    if "," in wanted:
        return numbers
    try:
        found = json.loads((Path(path) / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"cannot read the configuration of {path}: {first_line(error)}") from error
    if not 1 <= numbers[0] <= found:
        raise UsageError(f"--layers {wanted} of a model with {found} layers")
    return tuple(round(place * (found - 1) / max(numbers[0] - 1, 1)) for place in range(numbers[0]))


def load_trunk(path: Path | str, options: TrunkOptions) -> nn.Module:
    """Loads a BERT-like model without its pooler.

    Raises:
        ModelError: If the folder holds no such model or lacks a named layer.
    """
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(str(path))
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = options.dropout
        trunk = AutoModel.from_pretrained(
            str(path),
            config=config,
            add_pooling_layer=False,
            attn_implementation=options.attention,
            dtype=torch.float32,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot load a BERT-like model from {path}: {first_line(error)}") from error
    if options.layers:
        found = len(trunk.encoder.layer)
        if not all(0 <= number < found for number in options.layers):
            raise ModelError(f"{path} has layers 0 to {found - 1}, wanted {', '.join(map(str, options.layers))}")
        trunk.encoder.layer = nn.ModuleList(trunk.encoder.layer[number] for number in options.layers)
        trunk.config.num_hidden_layers = len(options.layers)
    if options.freeze_tokens or options.freeze_layers:
        trunk.embeddings.requires_grad_(False)
    for layer in trunk.encoder.layer[: options.freeze_layers]:
        layer.requires_grad_(False)
    return trunk


def prepare_device(name: str, threads: int, seed: int) -> Any:
    """Returns the torch device, with threads and seed set.

    Args:
        name: `cpu`, `cuda`, `mps`, or `auto` for the best there is.
        threads: Of torch on the CPU; 0 leaves its default.
        seed: Of torch.

    Raises:
        DeviceError: If the device is not there.
        UsageError: If there is no such device at all.
    """
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    return torch.device(resolve_device(name))


def bf16_is_faster(device: str) -> bool:
    """Whether bfloat16 pays on this device: on CUDA, and on a CPU where it multiplies matrices faster.

    No instruction set tells: with avx512_bf16 an Intel Xeon without AMX is half as fast (77 for 138 GFLOP/s a core),
    an AMD EPYC nearly three times (280 for 98 on two), and trains in half the time.
    """
    resolved = resolve_device(device)
    if resolved != "cpu":
        return resolved == "cuda"
    return _product_s(torch.bfloat16) < 0.8 * _product_s(torch.float32)


def _product_s(dtype: torch.dtype) -> float:
    """Seconds of a product as in a feed-forward layer, the best of five."""
    tokens, weight = torch.ones(2048, 384, dtype=dtype), torch.ones(1536, 384, dtype=dtype)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        functional.linear(tokens, weight)
        times.append(time.perf_counter() - started)
    return min(times)


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """[B, T, D] and [B, T] to [B, D] float32: the mean over the positions where the mask is not 0."""
    weight = mask.unsqueeze(-1).to(torch.float32)
    return (hidden.float() * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)


def hidden_states(
    trunk: nn.Module,
    ids: Tensor,
    types: Tensor,
    mask: Tensor,
    positions: Tensor | None = None,
    attention: Tensor | None = None,
) -> Tensor:
    """The trunk's last layer, [B, T, D].

    Args:
        trunk: A BERT-like model.
        ids: [B, T] int64.
        types: [B, T] int64.
        mask: [B, T] int64, 1 where there is a token.
        positions: [B, T] int64, for GraphCodeBERT alone: 0 at the nodes of the data flow.
        attention: [B, T, T] bool, for GraphCodeBERT alone: True where a row may look at a column.
    """
    if positions is None or attention is None:
        return trunk(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state
    # A node stands for its tokens: the mean of their embeddings, by the part of the mask that links it to them.
    nodes = positions.eq(0)
    links = (nodes[:, :, None] & positions.ge(2)[:, None, :] & attention).float()
    words = trunk.embeddings.word_embeddings(ids)
    means = torch.bmm(links / (links.sum(dim=-1, keepdim=True) + 1e-10), words.float()).to(words.dtype)
    words = torch.where(nodes[:, :, None], means, words)
    return trunk(
        inputs_embeds=words, token_type_ids=types, attention_mask=attention[:, None], position_ids=positions
    ).last_hidden_state


class Head(nn.Module):
    """Dense, tanh, one score; computed in float32 whatever the trunk runs in."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dense = nn.Linear(dimension, dimension)
        self.score = nn.Linear(dimension, 1)
        nn.init.normal_(self.dense.weight, std=0.02)
        nn.init.zeros_(self.dense.bias)
        nn.init.normal_(self.score.weight, std=0.02)
        nn.init.zeros_(self.score.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        return self.score(torch.tanh(self.dense(pooled))).squeeze(-1)


class CrossEncoder(nn.Module):
    """Scores a query and a document read together.

    Args:
        trunk: A BERT-like model.
        bounded: Squeeze the score through tanh into [-1, 1], as the released code of R2PS does. That is why the paper
            multiplies it by a temperature of 20 or 40 before the softmax; a free logit needs 1.
    """

    def __init__(self, trunk: nn.Module, *, bounded: bool = False) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = Head(trunk.config.hidden_size)
        self.bounded = bounded

    def forward(
        self,
        ids: Tensor,
        types: Tensor,
        mask: Tensor,
        positions: Tensor | None = None,
        attention: Tensor | None = None,
    ) -> Tensor:
        """Args as in `hidden_states`; returns [B] float32."""
        hidden = hidden_states(self.trunk, ids, types, mask, positions, attention)
        pooled = mean_pool(hidden, mask)
        with torch.autocast(pooled.device.type, enabled=False):
            score = self.head(pooled)
        return torch.tanh(score) if self.bounded else score


class DualEncoder(nn.Module):
    """Maps a text to a unit vector; queries and documents share it.

    Args:
        trunk: A BERT-like model.
        pooling: `mean` or `cls`.
    """

    def __init__(self, trunk: nn.Module, *, pooling: str = "mean") -> None:
        super().__init__()
        self.trunk = trunk
        self.pooling = pooling

    def forward(
        self,
        ids: Tensor,
        types: Tensor,
        mask: Tensor,
        positions: Tensor | None = None,
        attention: Tensor | None = None,
    ) -> Tensor:
        """Args as in `hidden_states`; returns [B, D] float32 with unit rows."""
        hidden = hidden_states(self.trunk, ids, types, mask, positions, attention)
        pooled = mean_pool(hidden, mask) if self.pooling == "mean" else hidden[:, 0].float()
        return functional.normalize(pooled, dim=-1)
