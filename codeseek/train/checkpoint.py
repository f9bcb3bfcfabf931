"""Everything that a run needs to go on exactly where it stood; tensors in safetensors, the rest in JSON, no pickle.

The state of random number generators is not among it: whatever is drawn is a function of seed, epoch and batch.

A checkpoint is written beside the old one and then takes its place, so a kill at any moment leaves a whole one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from codeseek.errors import DataError, FileError, UsageError
from codeseek.train.models import Tensor, nn

__all__ = ["RunState", "checkpoint_exists", "load_checkpoint", "save_checkpoint"]

# 1: first.
# 2: a cross-encoder reads passages unless it is told not to.
CHECKPOINT_FORMAT = 2

# May differ between a run and its continuation.
FREE_OPTIONS = frozenset(
    {
        "max_minutes",
        "threads",
        "log_every",
        "save_minutes",
        "evaluate_every",
        "device",
        "bf16",
        "cache_dir",
        "development",
        "budget_tokens",
    }
)


@dataclass(slots=True)
class RunState:
    """Where a run stands.

    Args:
        step: Optimiser steps done.
        epoch: 0-based.
        batch: Batches of this epoch that are done.
        seconds: Wall time spent, over all continuations.
        loss_sum: Of the steps since the last line of the log.
        loss_steps: Their number.
        best: The best development score; None before the first evaluation.
        best_step: The step it was reached at.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_steps: int = 0
    best: float | None = None
    best_step: int = 0


def _parameters(optimizer: Any) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _folder(out: Path) -> Path:
    return out / "checkpoint"


def checkpoint_exists(out: Path) -> bool:
    """Whether the folder of a run, or what a kill left of it, can be continued."""
    return (_folder(out) / "state.json").exists() or (out / "checkpoint.old" / "state.json").exists()


def save_checkpoint(out: Path, model: nn.Module, optimizer: Any, state: RunState, options: Mapping[str, Any]) -> None:
    """Writes `out/checkpoint`.

    Raises:
        FileError: If it cannot be written; the checkpoint before it stays.
    """
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {f"model.{name}": value for name, value in model.state_dict().items()}
    for number, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{number}.{name}"] = value
    partial, folder, old = out / "checkpoint.partial", _folder(out), out / "checkpoint.old"
    record = {"format": CHECKPOINT_FORMAT, "state": asdict(state), "options": dict(options)}
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(
            {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
            partial / "tensors.safetensors",
        )
        (partial / "state.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise FileError(f"cannot write a checkpoint to {folder}: {error.strerror or error}") from error


def load_checkpoint(out: Path, model: nn.Module, optimizer: Any, options: Mapping[str, Any]) -> RunState:
    """Brings model and optimiser into the state of `out/checkpoint`.

    Raises:
        DataError: If there is no checkpoint, it has another format, or it is of another model.
        UsageError: If the run was begun with another value of an option that matters.
    """
    from safetensors.torch import load_file

    folder = _folder(out) if (_folder(out) / "state.json").exists() else out / "checkpoint.old"
    try:
        record = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "tensors.safetensors")
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read a checkpoint in {out}: {error}") from error
    if record["format"] != CHECKPOINT_FORMAT:
        raise DataError(
            f"checkpoint in {out} has format {record['format']}, this version reads {CHECKPOINT_FORMAT}",
            hint="go on with the version that began the run, or train into another folder",
        )
    for name, value in json.loads(json.dumps(dict(options))).items():
        # An option that came later than the checkpoint has its default, which is how the run began.
        begun = record["options"].get(name, value)
        if not FREE_OPTIONS.intersection(name.split(".")) and begun != value:
            raise UsageError(f"the run in {out} began with {name} = {begun}, it cannot go on with {value}")
    try:
        model.load_state_dict(
            {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
        )
    except RuntimeError as error:
        raise DataError(f"checkpoint in {out} is of another model: {str(error).partition(chr(10))[0]}") from error
    for number, parameter in enumerate(_parameters(optimizer)):
        prefix = f"optimizer.{number}."
        found = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        if found:
            # Adam's step count stays on the CPU, the moments live with their parameter.
            optimizer.state[parameter] = {
                name: value if name == "step" else value.to(parameter.device) for name, value in found.items()
            }
    known = {field.name for field in fields(RunState)}
    return RunState(**{name: value for name, value in record["state"].items() if name in known})
