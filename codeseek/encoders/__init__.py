"""The dual-encoder: `load_encoder` gives one that is ready, `LazyEncoder` one that loads when it is first asked.

The shipped model runs in onnxruntime on the CPU and in torch elsewhere, from the same weights; every other model runs
in torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from codeseek.device import DeviceWarning, resolve_device
from codeseek.encoders.dual import DualEncoder, Runtime
from codeseek.encoders.feeding import Batch, Feeding
from codeseek.encoders.folder import ModelFolder, Part, default_folder, is_shipped, open_folder
from codeseek.encoders.onnx import OnnxModel
from codeseek.encoders.tokens import load_tokenizer
from codeseek.errors import DeviceError, ModelError
from codeseek.types import Encoder

__all__ = ["LazyEncoder", "load_encoder"]

# Fewer texts than this are encoded on the CPU even where there is a GPU: that is ready after 20 ms instead of 1,300
# (`import torch`), and a query takes it 3 ms.
BULK_MIN_TEXTS = 64


def load_encoder(spec: str | Path | None = None, device: str = "auto", threads: int | None = None) -> Encoder:
    """Loads a dual-encoder.

    Args:
        spec: A folder or a hub id; None for the shipped one.
        device: auto, cpu, cuda or mps.
        threads: Of the CPU; None for all that the process may use.

    Raises:
        ModelError: If the model cannot be found, loaded or trusted.
        DeviceError: If the device asked for is not there.
    """
    folder = _find(spec)
    resolved = resolve_device(device)
    try:
        return _load(folder, resolved, threads)
    except DeviceError as error:
        if device != "auto" or resolved == "cpu":
            raise
        warnings.warn(f"{error}; encoding on the CPU", DeviceWarning, stacklevel=2)
        return _load(folder, "cpu", threads)


class LazyEncoder:
    """Implements `types.Encoder`; reads the model's name at once and its weights when they are first needed.

    Args:
        spec: As in `load_encoder`.
        device: As in `load_encoder`.
        threads: As in `load_encoder`.

    Raises:
        ModelError: If the model cannot be found, or a folder's description is damaged.
    """

    def __init__(self, spec: str | Path | None = None, device: str = "auto", threads: int | None = None) -> None:
        self.folder: Path = _find(spec)
        self._device = device
        self._threads = threads
        self._loaded: dict[str, Encoder] = {}
        self._shipped = is_shipped(self.folder) or spec is None
        if self._shipped:
            found, part = _encoder_part(self.folder)
            self.name, self.dimension = found.vectors_name or part.name, part.architecture.hidden_size
        else:
            from codeseek.encoders.hub import open_foreign

            foreign = open_foreign(self.folder, "dual-encoder")
            self.name, self.dimension = foreign.name, foreign.dimension

    def encode_queries(self, queries: Sequence[str]) -> np.ndarray:
        """Returns [Q, D] float32 with unit rows."""
        return self._encode(len(queries), lambda encoder: encoder.encode_queries(queries))

    def encode_documents(self, documents: Sequence[str]) -> np.ndarray:
        """Returns [N, D] float32 with unit rows, in the order given."""
        return self._encode(len(documents), lambda encoder: encoder.encode_documents(documents))

    def _encode(self, texts: int, encode: Callable[[Encoder], np.ndarray]) -> np.ndarray:
        try:
            return encode(self._ready(texts))
        except DeviceError as error:
            if self._device != "auto":
                raise
            warnings.warn(f"{error}; encoding on the CPU", DeviceWarning, stacklevel=3)
            self._device = "cpu"
            self._loaded.clear()
            return encode(self._ready(texts))

    def _ready(self, texts: int) -> Encoder:
        few = self._shipped and self._device == "auto" and texts < BULK_MIN_TEXTS
        device = "cpu" if few else resolve_device(self._device)
        if device not in self._loaded:
            self._loaded[device] = load_encoder(self.folder, "cpu" if few else self._device, self._threads)
        return self._loaded[device]


def _find(spec: str | Path | None) -> Path:
    if spec is None or spec == default_folder():
        return default_folder()  # without the rules for models that a user names (8 ms)
    from codeseek.encoders.hub import find_model

    return find_model(spec)


def _encoder_part(folder: Path) -> tuple[ModelFolder, Part]:
    """The folder, and its part that reads queries."""
    found = open_folder(folder)
    if found.encoder is None:
        raise ModelError(f"cannot load an encoder from {folder}: it holds only a ranker")
    return found, found.encoder


def _load(folder: Path, device: str, threads: int | None) -> Encoder:
    if not (is_shipped(folder) or folder == default_folder()):
        from codeseek.encoders.torch import load_foreign_encoder

        return load_foreign_encoder(folder, device, threads)
    found, part = _encoder_part(folder)
    runtime = _open(folder, "encoder", part, device, threads)
    documents: tuple[Feeding, Runtime] | None = None
    if (reader := found.document_encoder) is not None:
        load = partial(_open, folder, "document_encoder", reader, device, threads)
        documents = (reader.feeding, _Deferred(load) if device == "cpu" else load())
    name, dimension = found.vectors_name or part.name, part.architecture.hidden_size
    return DualEncoder(name, dimension, part.feeding, load_tokenizer(folder), runtime, documents)


class _Deferred:
    """A `Runtime` that is loaded when it first runs: most searches encode a query and no document."""

    def __init__(self, load: Callable[[], Runtime]) -> None:
        self._load = load
        self._runtime: Runtime | None = None

    @property
    def limits(self) -> tuple[int, int]:
        return self._loaded().limits

    def run_all(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, np.ndarray]]:
        return self._loaded().run_all(batches)

    def _loaded(self) -> Runtime:
        if self._runtime is None:
            self._runtime = self._load()
        return self._runtime


def _open(folder: Path, name: str, part: Part, device: str, threads: int | None) -> Runtime:
    if device == "cpu":
        return OnnxModel(folder / f"{name}.onnx", threads)
    from codeseek.encoders.torch import load_shipped

    return load_shipped(folder, name, part, device)
