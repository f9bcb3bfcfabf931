from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from codeseek import device
from codeseek.device import cpu_threads, describe_device, resolve_device
from codeseek.errors import DeviceError, UsageError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Linux with a driver file that a test may create, and a torch built for CUDA."""
    driver = tmp_path / "nvidiactl"
    monkeypatch.setattr(device.sys, "platform", "linux")
    monkeypatch.setattr(device, "DRIVER_FILES", (driver,))
    monkeypatch.setattr(device, "_torch_build", lambda: "2.9.0+cu128")
    return driver


def test_the_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == "cpu"
    assert describe_device("cpu") == f"cpu, {cpu_threads()} threads"


def test_auto_without_a_driver_is_the_cpu(linux: Path) -> None:
    assert resolve_device("auto") == "cpu"


def test_cuda_without_a_driver_is_refused(linux: Path) -> None:
    with pytest.raises(DeviceError, match="cannot use cuda: no driver is loaded") as caught:
        resolve_device("cuda")
    assert caught.value.hint == "--device cpu"


def test_cuda_with_a_cpu_build_is_refused(linux: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linux.touch()
    monkeypatch.setattr(device, "_torch_build", lambda: "2.9.0+cpu")
    with pytest.raises(DeviceError, match=r"torch 2\.9\.0\+cpu was built for the CPU only"):
        resolve_device("cuda")
    assert resolve_device("auto") == "cpu"


def test_cuda_without_torch_is_refused(linux: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linux.touch()
    monkeypatch.setattr(device, "_torch_build", lambda: None)
    with pytest.raises(DeviceError, match="torch is not installed"):
        resolve_device("cuda")


@pytest.mark.parametrize("seen", [True, False])
def test_with_a_driver_torch_decides(linux: Path, monkeypatch: pytest.MonkeyPatch, seen: bool) -> None:
    import torch

    linux.touch()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: seen)
    assert resolve_device("auto") == ("cuda" if seen else "cpu")


def test_mps_is_for_apple_silicon(linux: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match="only Apple silicon has it"):
        resolve_device("mps")
    monkeypatch.setattr(device.sys, "platform", "darwin")
    monkeypatch.setattr(device, "_machine", lambda: "x86_64")
    with pytest.raises(DeviceError, match="only Apple silicon has it"):
        resolve_device("mps")


def test_an_unknown_device_names_the_known() -> None:
    with pytest.raises(UsageError, match="--device is 'gpu'") as caught:
        resolve_device("gpu")
    assert "auto|cpu|cuda|mps" in caught.value.hint


def test_the_answer_cpu_loads_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from codeseek import device; device.DRIVER_FILES = ()\n"
        "device.sys.platform = 'linux'; assert device.resolve_device('auto') == 'cpu'\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
