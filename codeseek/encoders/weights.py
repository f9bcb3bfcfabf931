"""The door to `safetensors` at inference: int8 weights of a shipped folder, and checks of anybody's weight files."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import numpy as np

from codeseek.errors import ModelError

__all__ = [
    "EMBEDDINGS_NAME",
    "MODEL_MAX_BYTES",
    "check_safetensors",
    "dequantised_state",
    "load_tensors",
    "model_file_size",
    "tensor_ranges",
]

EMBEDDINGS_NAME = "embeddings.safetensors"
# The largest BERT- or RoBERTa-like encoders in use have 0.6 billion parameters, 2.3 GB in float32.
MODEL_MAX_BYTES = 4 << 30
HEADER_MAX_BYTES = 16 << 20


def tensor_ranges(path: Path) -> dict[str, tuple[int, int]]:
    """Where each tensor's bytes lie in a safetensors file: name -> (offset from the file's start, length).

    Raises:
        ModelError: If the file is not a whole safetensors file of a plausible size.
    """
    size = model_file_size(path)
    try:
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(header_bytes)) if header_bytes <= min(size, HEADER_MAX_BYTES) else None
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"cannot read {path}: not a safetensors file") from error
    if not isinstance(header, dict):
        raise ModelError(f"cannot read {path}: not a safetensors file")
    header.pop("__metadata__", None)
    start = 8 + header_bytes
    try:
        found = {name: tuple(entry["data_offsets"]) for name, entry in header.items()}
        ranges = {name: (start + first, last - first) for name, (first, last) in found.items()}
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(f"cannot read {path}: not a safetensors file") from error
    end = max((offset + length for offset, length in ranges.values()), default=start)
    if end != size:
        raise ModelError(f"{path} is damaged: {size} bytes, wanted {end}")
    return ranges


def model_file_size(path: Path) -> int:
    """The size of a model's file in bytes, checked before anything of it is read.

    Raises:
        ModelError: If it is missing, no regular file (a FIFO would be waited for), or larger than `MODEL_MAX_BYTES`.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"cannot read {path}: not a regular file")
    if status.st_size > MODEL_MAX_BYTES:
        raise ModelError(f"cannot load {path}: {status.st_size} bytes, at most {MODEL_MAX_BYTES} are read")
    return status.st_size


def check_safetensors(path: Path) -> None:
    """Refuses what is no whole safetensors file or is larger than `MODEL_MAX_BYTES`.

    Raises:
        ModelError: With the reason.
    """
    tensor_ranges(path)


def dequantised_state(folder: Path, part: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The weights of a shipped model in float32, under the names that transformers' BertModel has for them.

    Args:
        folder: In the format of `folder.py`.
        part: Of `folder.PARTS`.

    Returns:
        The trunk's state, and the head's (empty for an encoder).
    """
    words = load_tensors(folder / EMBEDDINGS_NAME)
    stored = load_tensors(folder / f"{part}.safetensors")
    trunk = {
        "embeddings.word_embeddings.weight": words["words"].astype(np.float32) * words["words.scale"],
        "embeddings.position_embeddings.weight": stored["positions"],
        "embeddings.token_type_embeddings.weight": stored["token_types"],
        "embeddings.LayerNorm.weight": stored["embedding_norm.weight"],
        "embeddings.LayerNorm.bias": stored["embedding_norm.bias"],
    }
    layers = sum(name.endswith(".qkv.weight") for name in stored)
    for layer in range(layers):
        here, there = f"layers.{layer}", f"encoder.layer.{layer}"
        weight, bias = _linear(stored, f"{here}.qkv")
        for number, name in enumerate(("query", "key", "value")):
            trunk[f"{there}.attention.self.{name}.weight"] = np.split(weight, 3)[number]
            trunk[f"{there}.attention.self.{name}.bias"] = np.split(bias, 3)[number]
        for ours, theirs in (
            ("attention", "attention.output.dense"),
            ("intermediate", "intermediate.dense"),
            ("output", "output.dense"),
        ):
            trunk[f"{there}.{theirs}.weight"], trunk[f"{there}.{theirs}.bias"] = _linear(stored, f"{here}.{ours}")
        for ours, theirs in (("attention_norm", "attention.output.LayerNorm"), ("output_norm", "output.LayerNorm")):
            trunk[f"{there}.{theirs}.weight"] = stored[f"{here}.{ours}.weight"]
            trunk[f"{there}.{theirs}.bias"] = stored[f"{here}.{ours}.bias"]
    head = {name.removeprefix("head."): value for name, value in stored.items() if name.startswith("head.")}
    return trunk, head


def _linear(stored: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """[K, N] int8 by column to torch's [N, K] float32; what smoothing moved into the weights is taken out again."""
    weight = stored[f"{name}.weight"].astype(np.float32) * stored[f"{name}.scale"]
    if (smooth := stored.get(f"{name}.smooth")) is not None:
        weight *= smooth[:, None]
    return np.ascontiguousarray(weight.T), stored[f"{name}.bias"]


def load_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads a safetensors file after checking its sizes.

    Raises:
        ModelError: If it cannot be read.
    """
    from safetensors.numpy import load_file

    check_safetensors(path)
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own kind, or whatever numpy says of a bad header
        raise ModelError(f"cannot read {path}: {error}") from error
