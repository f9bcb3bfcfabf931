"""Model folders: what training leaves, and what it takes up again.

A folder has the hub's layout (config.json, model.safetensors, tokenizer files) plus `codeseek.json`, which says how the
model is to be fed. A cross-encoder keeps its head apart, in `head.safetensors` (dense.weight [D, D], dense.bias [D],
score.weight [1, D], score.bias [1]), so that the trunk stays loadable by anything that reads the hub's layout. A
dual-encoder also carries the two files by which sentence-transformers knows it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeseek.errors import FileError, ModelError
from codeseek.train.models import CrossEncoder, DualEncoder, first_line, nn

__all__ = ["Description", "load_description", "load_head", "save_cross", "save_dual"]


def load_head(model: CrossEncoder, path: Path | str) -> bool:
    """Takes the head over from a folder that holds a cross-encoder; returns whether there was one."""
    from safetensors.torch import load_file

    file = Path(path) / "head.safetensors"
    if not file.exists():
        return False
    try:
        model.head.load_state_dict(load_file(file))
    except (OSError, RuntimeError) as error:
        raise ModelError(f"cannot load the head in {file}: {first_line(error)}") from error
    return True


@dataclass(frozen=True, slots=True)
class Description:
    """How a dual-encoder's folder says it is to be used; `mean` and no data flow where it says nothing."""

    pooling: str = "mean"
    data_flow: bool = False


def load_description(path: Path | str) -> Description:
    """Reads `codeseek.json`, or what sentence-transformers leaves.

    Raises:
        ModelError: If the folder's configuration cannot be read.
    """
    ours, theirs = Path(path) / "codeseek.json", Path(path) / "1_Pooling" / "config.json"
    try:
        if ours.exists():
            record = json.loads(ours.read_text(encoding="utf-8"))
            return Description(record["pooling"], bool(record.get("data_flow", False)))
        if theirs.exists():
            first = json.loads(theirs.read_text(encoding="utf-8")).get("pooling_mode_cls_token")
            return Description("cls" if first else "mean")
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"cannot read the pooling of {path}: {first_line(error)}") from error
    return Description()


def save_cross(model: CrossEncoder, tokenizer: Any, feeding: Mapping[str, Any], folder: Path) -> None:
    """Writes a cross-encoder as the module says.

    Raises:
        FileError: If the folder cannot be written.
    """
    from safetensors.torch import save_file

    _save_trunk(model.trunk, tokenizer, feeding, folder)
    head = {name: value.detach().float().cpu().contiguous() for name, value in model.head.state_dict().items()}
    save_file(head, folder / "head.safetensors", metadata={"format": "pt"})


def save_dual(model: DualEncoder, tokenizer: Any, feeding: Mapping[str, Any], folder: Path) -> None:
    """Writes a dual-encoder as the module says.

    Raises:
        FileError: If the folder cannot be written.
    """
    _save_trunk(model.trunk, tokenizer, feeding, folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    pooling = {
        "word_embedding_dimension": model.trunk.config.hidden_size,
        "pooling_mode_cls_token": feeding["pooling"] == "cls",
        "pooling_mode_mean_tokens": feeding["pooling"] == "mean",
    }
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "modules.json").write_text(json.dumps(modules, indent=2), encoding="utf-8")
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling, indent=2), encoding="utf-8")


def _save_trunk(trunk: nn.Module, tokenizer: Any, feeding: Mapping[str, Any], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trunk.save_pretrained(str(folder), safe_serialization=True)
        tokenizer.save_pretrained(str(folder))
        (folder / "codeseek.json").write_text(json.dumps(feeding, indent=2), encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot write the model to {folder}: {error.strerror or error}") from error
