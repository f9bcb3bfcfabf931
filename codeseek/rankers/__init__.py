"""The second stage: `load_ranker` gives a ranker that is ready, `LazyRanker` one that loads when it is first asked."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codeseek.device import DeviceWarning, resolve_device
from codeseek.errors import DeviceError
from codeseek.rankers.identity import IdentityRanker
from codeseek.types import Ranker

__all__ = ["IdentityRanker", "LazyRanker", "load_ranker"]


def load_ranker(spec: str | Path | None = None, device: str = "auto", threads: int | None = None) -> Ranker:
    """Loads a ranker.

    Args:
        spec: A folder or a hub id; None for the shipped one.
        device: auto, cpu, cuda or mps.
        threads: Of the CPU; None for all that the process may use.

    Raises:
        ModelError: If the model cannot be found, loaded or trusted.
        DeviceError: If the device asked for is not there.
    """
    folder = _find(spec)
    if folder is None:
        return IdentityRanker()
    # Encoders are imported only when a cross-encoder is: `identity` needs none of it.
    from codeseek.rankers.cross import load_cross

    resolved = resolve_device(device)
    try:
        return load_cross(folder, resolved, threads)
    except DeviceError as error:
        if device != "auto" or resolved == "cpu":
            raise
        warnings.warn(f"{error}; reranking on the CPU", DeviceWarning, stacklevel=2)
        return load_cross(folder, "cpu", threads)


class LazyRanker:
    """Implements `types.Ranker`; finds the model at once, so that a wrong name is told before anything is built, and
    loads it when it first ranks.

    Args:
        spec: As in `load_ranker`.
        device: As in `load_ranker`.
        threads: As in `load_ranker`.

    Raises:
        ModelError: If the model cannot be found.
    """

    def __init__(self, spec: str | Path | None = None, device: str = "auto", threads: int | None = None) -> None:
        found = None if spec is None else _find(spec)
        self._arguments = found or spec, device, threads
        self._ranker: Ranker | None = None

    @property
    def name(self) -> str:
        """The model's name; asking for it loads the model."""
        return self._ready().name

    def rank(self, query: str, documents: Sequence[str]) -> np.ndarray:
        """Returns [N] float32, one logit of relevance a document, in the order given."""
        try:
            return self._ready().rank(query, documents)
        except DeviceError as error:
            spec, device, threads = self._arguments
            if device != "auto":
                raise
            warnings.warn(f"{error}; reranking on the CPU", DeviceWarning, stacklevel=2)
            self._arguments, self._ranker = (spec, "cpu", threads), None
            return self._ready().rank(query, documents)

    def _ready(self) -> Ranker:
        if self._ranker is None:
            self._ranker = load_ranker(*self._arguments)
        return self._ranker


def _find(spec: str | Path | None) -> Path | None:
    """The folder of a ranker; None for the shipped one while there is none."""
    if spec is not None:
        if str(spec).removeprefix("hub:") == IdentityRanker.name:  # so begins a model of the configuration
            return None
        from codeseek.encoders.hub import find_model

        return find_model(spec)
    from codeseek.encoders.folder import default_folder

    folder = default_folder()
    return folder if (folder / "ranker.onnx").exists() else None
