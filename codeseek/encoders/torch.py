"""The torch runtime: the shipped models on CUDA and MPS, and models that the user names on any device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from codeseek.encoders.checkpoints import foreign_tokenizer, load_checkpoint
from codeseek.encoders.dual import DualEncoder
from codeseek.encoders.feeding import Batch, Feeding
from codeseek.encoders.folder import Architecture, Part
from codeseek.encoders.hub import HEAD_NAME, open_foreign
from codeseek.encoders.weights import check_safetensors, dequantised_state
from codeseek.errors import REINSTALL, DeviceError, ModelError

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as error:
    raise ModelError("this model needs torch, which is not installed", hint=REINSTALL) from error

__all__ = ["TorchModel", "load_foreign_encoder", "load_foreign_runtime", "load_shipped"]

# Rows and padded tokens of a batch. On the CPU more rows only spill the caches; the others are unmeasured.
BATCH_LIMITS = {"cpu": (32, 6144), "cuda": (512, 1 << 16), "mps": (64, 1 << 14)}
# float16 keeps three more bits than bfloat16 and is as fast; activations of BERTs stay below its largest number, and
# `TorchModel` runs in float32 from the first batch on where they do not.
GPU_DTYPE = torch.float16


class TorchModel:
    """A trunk with pooling and, for a ranker, a head; the counterpart of `OnnxModel`.

    Args:
        trunk: Called with `input_ids`, `attention_mask` and `token_type_ids`; a classifier returns `logits`.
        feeding: For the pooling and the kind of head.
        head: `dense.weight` and the like; empty for an encoder and a classifier.
        device: cpu, cuda or mps.
        typed: Whether the trunk takes token types.
    """

    def __init__(
        self, trunk: nn.Module, feeding: Feeding, head: Mapping[str, np.ndarray], device: str, *, typed: bool = True
    ) -> None:
        self.limits = BATCH_LIMITS[device]
        self._feeding = feeding
        self._device = torch.device(device)
        self._typed = typed
        self._dtype = torch.float32 if device == "cpu" else GPU_DTYPE
        try:
            self._trunk = trunk.eval().to(self._device, self._dtype)
            self._head = {name: torch.tensor(value, device=self._device) for name, value in head.items()}
        except (RuntimeError, AssertionError) as error:
            raise DeviceError(f"cannot load a model on {device}: {_first_line(error)}", hint="--device cpu") from error

    def run_all(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, np.ndarray]]:
        """Yields each batch with what `run` gives, in the order given."""
        for batch in batches:
            yield batch, self.run(batch)

    def run(self, batch: Batch) -> np.ndarray:
        """Returns [B, D] unit vectors or [B] logits, float32. When memory is short, the batch is halved.

        Raises:
            DeviceError: If not even one row fits, or the device fails.
        """
        rows = len(batch.ids)
        try:
            with torch.inference_mode():
                return self._forward(batch)
        except torch.OutOfMemoryError as error:
            if rows == 1:
                raise DeviceError(
                    f"{self._device} is out of memory on one text of {batch.ids.shape[1]} tokens", hint="--device cpu"
                ) from error
        except RuntimeError as error:
            reason = _first_line(error)
            raise DeviceError(f"the model failed on {self._device}: {reason}", hint="--device cpu") from error
        # Outside the handler: there, the traceback would keep the tensors of the failed pass alive.
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        half = rows // 2
        return np.concatenate([self.run(_slice(batch, 0, half)), self.run(_slice(batch, half, rows))])

    def _forward(self, batch: Batch) -> np.ndarray:
        ids = torch.from_numpy(batch.ids).to(self._device)
        lengths = torch.from_numpy(batch.lengths).to(self._device)
        mask = torch.arange(ids.shape[1], device=self._device)[None] < lengths[:, None]  # [B, T]
        types = {"token_type_ids": torch.from_numpy(batch.types).to(self._device)} if self._typed else {}
        found = self._trunk(input_ids=ids, attention_mask=mask.long(), **types)
        if "logits" in found:
            answer = found.logits[:, 0].float()
        else:
            answer = self._answer(found.last_hidden_state.float(), mask)
        if self._dtype != torch.float32 and not torch.isfinite(answer).all():
            self._dtype = torch.float32
            self._trunk.float()
            return self._forward(batch)
        return answer.cpu().numpy()

    def _answer(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """[B, T, D] and [B, T] to [B, D] or [B]."""
        if self._feeding.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            weight = mask.unsqueeze(-1).float()
            pooled = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
        if not self._head:
            return functional.normalize(pooled, dim=-1)
        dense = functional.linear(pooled, self._head["dense.weight"], self._head["dense.bias"]).tanh()
        score = functional.linear(dense, self._head["score.weight"], self._head["score.bias"]).squeeze(-1)
        return score.tanh() if self._feeding.head.endswith("linear-tanh") else score


def load_shipped(folder: Path, key: str, part: Part, device: str) -> TorchModel:
    """Loads a part (of `folder.PARTS`) of a folder in our format from its int8 weights.

    Raises:
        ModelError: If the weights do not fit the configuration.
        DeviceError: If the device fails.
    """
    state, head = dequantised_state(folder, key)
    trunk = _bert(part.architecture)
    try:
        trunk.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items()})
    except RuntimeError as error:
        raise ModelError(f"the weights in {folder} do not fit its configuration: {_first_line(error)}") from error
    return TorchModel(trunk, part.feeding, head, device)


def load_foreign_encoder(folder: Path, device: str, threads: int | None, pooling: str | None = None) -> DualEncoder:
    """Loads an encoder in the hub's layout; `pooling` overrides what the folder says.

    Raises:
        ModelError, DeviceError: As `hub.open_foreign` and `TorchModel`.
    """
    found = open_foreign(folder, "dual-encoder", pooling)
    runtime = load_foreign_runtime(folder, found.feeding, classifier=False, device=device, threads=threads)
    return DualEncoder(found.name, found.dimension, found.feeding, foreign_tokenizer(folder), runtime)


def load_foreign_runtime(
    folder: Path, feeding: Feeding, *, classifier: bool, device: str, threads: int | None
) -> TorchModel:
    """Loads the weights of a folder in the hub's layout.

    Raises:
        ModelError: If they cannot be loaded.
        DeviceError: If the device fails.
    """
    if threads:
        torch.set_num_threads(threads)
    trunk = load_checkpoint(folder, classifier=classifier)
    head: dict[str, np.ndarray] = {}
    if feeding.kind == "cross-encoder" and not classifier:
        head = _load_head(folder / HEAD_NAME)
    typed = getattr(trunk.config, "type_vocab_size", 0) > 0
    return TorchModel(trunk, feeding, head, device, typed=typed)


def _load_head(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    check_safetensors(path)
    head = {name: value.astype(np.float32) for name, value in load_file(path).items()}
    if missing := {"dense.weight", "dense.bias", "score.weight", "score.bias"} - head.keys():
        raise ModelError(f"cannot load {path}: no {min(missing)}")
    return head


def _bert(architecture: Architecture) -> Any:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=architecture.vocabulary_size,
        hidden_size=architecture.hidden_size,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        intermediate_size=architecture.intermediate_size,
        max_position_embeddings=architecture.max_positions,
        type_vocab_size=architecture.type_vocabulary,
        layer_norm_eps=architecture.layer_norm_epsilon,
    )
    return BertModel(config, add_pooling_layer=False)


def _slice(batch: Batch, start: int, stop: int) -> Batch:
    return Batch(batch.rows[start:stop], batch.ids[start:stop], batch.types[start:stop], batch.lengths[start:stop])


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
