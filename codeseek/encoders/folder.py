"""A model folder as codeseek ships it: `config.json`, tokenizer, and one set of int8 weights that both runtimes read.

config.json             format, names, architectures, feeding, origin, training record, sizes of the other files
embeddings.safetensors  token embeddings of all parts (frozen in training, so all have the same)
encoder.safetensors     its other weights
encoder.onnx            its graph, whose weights are byte ranges of these safetensors files (ONNX external data)
document_encoder.*      the same of the model that reads documents, where it is not the one that reads queries
ranker.*                the same of the ranker
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from codeseek.encoders.feeding import Feeding, parse_feeding
from codeseek.encoders.tokens import TOKENIZER_NAME
from codeseek.encoders.weights import EMBEDDINGS_NAME, model_file_size
from codeseek.errors import REINSTALL, ModelError

__all__ = [
    "CONFIG_NAME",
    "FORMAT",
    "FORMAT_KEY",
    "PARTS",
    "Architecture",
    "ModelFolder",
    "Part",
    "default_folder",
    "is_shipped",
    "open_folder",
]

CONFIG_NAME = "config.json"
CONFIG_MAX_BYTES = 4 << 20
# 1: int8 weights by column, activations quantised with fixed scales.
FORMAT = 1
FORMAT_KEY = "codeseek_format"
PARTS = ("encoder", "document_encoder", "ranker")


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of a BERT; layers are post-norm, positions absolute, the activation is exact GELU."""

    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    vocabulary_size: int
    max_positions: int
    type_vocabulary: int
    layer_norm_epsilon: float


@dataclass(frozen=True, slots=True)
class Part:
    """An encoder or the ranker of a folder.

    `name` holds a hash of all that decides its answers; `serving` is what else is known of it (calibration, budgets).
    """

    name: str
    architecture: Architecture
    feeding: Feeding
    serving: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What `config.json` says; `path` is the folder.

    `encoder` reads the queries, and the documents too where there is no `document_encoder`.
    """

    path: Path
    encoder: Part | None
    document_encoder: Part | None
    ranker: Part | None

    @property
    def vectors_name(self) -> str | None:
        """The name of what makes the documents' vectors, under which they are stored."""
        part = self.document_encoder or self.encoder
        return part.name if part else None


def default_folder() -> Path:
    """Returns the folder of the shipped models."""
    return Path(__file__).resolve().parent.parent / "models" / "default"


def is_shipped(path: Path) -> bool:
    """Whether a folder is in the format of this module, judged by its configuration alone."""
    try:
        return FORMAT_KEY in _read_config(path / CONFIG_NAME)
    except ModelError:
        return False


@lru_cache(maxsize=8)
def open_folder(path: Path) -> ModelFolder:
    """Reads and checks a folder's configuration and the sizes of its files; loads no weights.

    Raises:
        ModelError: If it is damaged, incomplete, or of another format.
    """
    place = path / CONFIG_NAME
    record = _read_config(place)
    if record.get(FORMAT_KEY) != FORMAT:
        raise ModelError(
            f"model in {path} is of format {record.get(FORMAT_KEY)}, this version reads {FORMAT}",
            hint=REINSTALL,
        )
    parts = {name: _parse_part(record, name, place) for name in PARTS}
    _check_sizes(path, record.get("bytes"), [name for name, part in parts.items() if part])
    folder = ModelFolder(path, **parts)
    if folder.document_encoder:
        both = [part.architecture.hidden_size for part in (folder.encoder, folder.document_encoder) if part]
        if len(both) < 2 or both[0] != both[1]:
            raise ModelError(f"cannot read {place}: queries and documents get vectors of different models")
    return folder


def _check_sizes(path: Path, sizes: Any, parts: list[str]) -> None:
    """Every file that is read later has the size that the configuration says, and a plausible one."""
    place = path / CONFIG_NAME
    if not isinstance(sizes, dict):
        raise ModelError(f"cannot read {place}: it names no sizes")
    for name in sizes:
        if "/" in name or "\\" in name:
            raise ModelError(f"cannot read {place}: {name!r} is no file name")
    wanted = {TOKENIZER_NAME, EMBEDDINGS_NAME, *(f"{part}{end}" for part in parts for end in (".safetensors", ".onnx"))}
    if parts and (unnamed := wanted - sizes.keys()):
        raise ModelError(f"cannot read {place}: it does not say the size of {min(unnamed)}")
    for name, size in sizes.items():
        if not (path / name).exists():
            raise ModelError(f"model in {path} is incomplete: no {name}", hint=REINSTALL)
        if (got := model_file_size(path / name)) != size:
            raise ModelError(f"{path / name} is damaged: {got} bytes, wanted {size}", hint=REINSTALL)


def _read_config(place: Path) -> dict[str, Any]:
    try:
        if place.stat().st_size > CONFIG_MAX_BYTES:
            raise ModelError(f"cannot read {place}: larger than {CONFIG_MAX_BYTES} bytes")
        record = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"cannot read {place}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"cannot read {place}: not JSON") from error
    if not isinstance(record, dict):
        raise ModelError(f"cannot read {place}: not an object")
    return record


def _parse_part(record: Mapping[str, Any], key: str, place: Path) -> Part | None:
    part = record.get(key)
    if part is None:
        return None
    try:
        shape = part["architecture"]
        architecture = Architecture(**{field.name: shape[field.name] for field in fields(Architecture)})
        feeding = parse_feeding(part["feeding"], str(place))
        return Part(str(part["name"]), architecture, feeding, part.get("serving", {}))
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"cannot read {place}: {key} lacks {error}") from error
