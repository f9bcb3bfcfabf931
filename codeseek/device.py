"""Which device runs a model, decided without importing torch where the answer can only be the CPU.

torch takes 1.3 s to import; a one-shot search on a machine without a GPU must not pay that to learn that there is none.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from codeseek.errors import DeviceError, UsageError

__all__ = ["DEVICES", "DeviceWarning", "cpu_threads", "describe_device", "resolve_device"]

DEVICES = ("auto", "cpu", "cuda", "mps")

# Any of these is there when a driver for NVIDIA (also under WSL) or AMD cards is loaded.
DRIVER_FILES = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))


class DeviceWarning(UserWarning):
    """A device was chosen automatically, failed, and the CPU does its work."""


def resolve_device(name: str) -> str:
    """Turns what the user asked for into a device that is there.

    Args:
        name: `auto` takes CUDA, then MPS, then the CPU.

    Returns:
        `cpu`, `cuda` or `mps`.

    Raises:
        UsageError: If the name is none of `DEVICES`.
        DeviceError: If the device asked for is not there.
    """
    if name not in DEVICES:
        raise UsageError(f"--device is {name!r}, which is none of its values", hint=f"--device {'|'.join(DEVICES)}")
    if name == "cpu":
        return "cpu"
    if name == "auto":
        return next((device for device in ("cuda", "mps") if not _missing(device)), "cpu")
    if reason := _missing(name):
        raise DeviceError(f"cannot use {name}: {reason}", hint="--device cpu")
    return name


def describe_device(name: str) -> str:
    """One line on the device that `name` resolves to.

    Raises:
        UsageError, DeviceError: As `resolve_device`.
    """
    device = resolve_device(name)
    if device == "cuda":
        import torch

        properties = torch.cuda.get_device_properties(0)
        return f"cuda: {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    return f"{device}, {cpu_threads()} threads"


def cpu_threads() -> int:
    """How many cores this process may use (affinity and, on Linux, what `taskset` and cpusets leave)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _missing(device: str) -> str:
    """Why a device cannot be used; empty if it can. Asks in order of cost: files, metadata, torch itself."""
    if device == "cuda":
        if sys.platform == "darwin":
            return "macOS has no CUDA"
        if sys.platform == "linux" and not any(path.exists() for path in DRIVER_FILES):
            return "no driver is loaded"
    elif sys.platform != "darwin" or _machine() != "arm64":
        return "only Apple silicon has it"
    if (build := _torch_build()) is None:
        return "torch is not installed"
    if device == "cuda" and build.endswith("+cpu"):
        return f"torch {build} was built for the CPU only"
    import torch

    there = torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
    return "" if there else f"torch {build} sees no such device"


def _machine() -> str:
    import platform  # 3 ms, and only Macs ask

    return platform.machine()


def _torch_build() -> str | None:
    """The version of torch, without importing it; None if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # 20 ms

    try:
        return version("torch")
    except PackageNotFoundError:
        return None
