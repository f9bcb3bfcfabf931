"""The torch runtime's answers to trouble on a device, provoked on the CPU."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codeseek import encoders
from codeseek.device import DeviceWarning
from codeseek.encoders.feeding import iter_batches
from codeseek.encoders.folder import open_folder
from codeseek.errors import DeviceError

torch = pytest.importorskip("torch")


class Tight(torch.nn.Module):
    """Passes its trunk on, and is out of memory on more than `rows`."""

    def __init__(self, trunk: torch.nn.Module, rows: int) -> None:
        super().__init__()
        self.trunk, self.rows, self.calls = trunk, rows, 0

    def forward(self, **inputs: torch.Tensor) -> object:
        self.calls += 1
        if len(inputs["input_ids"]) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.trunk(**inputs)


def model(shipped: Path) -> Any:
    from codeseek.encoders.torch import load_shipped

    part = open_folder(shipped).encoder
    assert part is not None
    (batch,) = iter_batches(part.feeding, [[2, 9, 3], [2, 9, 10, 3], [2, 11, 3], [2, 3], [2, 8, 3]], None, 32, 10_000)
    return load_shipped(shipped, "encoder", part, "cpu"), batch


def test_out_of_memory_halves_the_batch(shipped: Path) -> None:
    runtime, batch = model(shipped)
    whole = runtime.run(batch)
    tight = runtime._trunk = Tight(runtime._trunk, 2)
    np.testing.assert_allclose(runtime.run(batch), whole, atol=1e-6)
    assert tight.calls == 5, "5 rows, then 2, then 3, then 1 and 2"


def test_out_of_memory_on_one_row_is_a_device_error(shipped: Path) -> None:
    runtime, batch = model(shipped)
    runtime._trunk = Tight(runtime._trunk, 0)
    with pytest.raises(DeviceError, match="out of memory on one text of 4 tokens") as caught:
        runtime.run(batch)
    assert caught.value.hint == "--device cpu"


def test_numbers_beyond_float16_are_computed_in_float32(shipped: Path) -> None:
    runtime, batch = model(shipped)
    whole = runtime.run(batch)
    trunk = runtime._trunk

    class Overflowing(torch.nn.Module):
        def forward(self, **inputs: torch.Tensor) -> object:
            found = trunk(**inputs)
            if runtime._dtype == torch.float16:
                found.last_hidden_state = torch.full_like(found.last_hidden_state, float("inf"))
            return found

    runtime._trunk, runtime._dtype = Overflowing(), torch.float16
    np.testing.assert_allclose(runtime.run(batch), whole, atol=1e-6)


def test_auto_falls_back_to_the_cpu_with_one_warning(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "resolve_device", lambda name: "cuda" if name == "auto" else name)

    def broken(*arguments: object) -> None:
        raise DeviceError("cannot load a model on cuda: no kernel image", hint="--device cpu")

    monkeypatch.setattr("codeseek.encoders.torch.load_shipped", broken)
    lazy = encoders.LazyEncoder(shipped, "auto")
    texts = ["read"] * encoders.BULK_MIN_TEXTS
    with pytest.warns(DeviceWarning, match="no kernel image; encoding on the CPU"):
        vectors = lazy.encode_documents(texts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lazy.encode_documents(texts)
    np.testing.assert_array_equal(vectors, encoders.load_encoder(shipped, "cpu").encode_documents(texts))
    with pytest.raises(DeviceError, match="no kernel image"):
        encoders.load_encoder(shipped, "cuda")
