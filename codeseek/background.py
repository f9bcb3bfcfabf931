"""Let a process of low priority go on with an index when this one has answered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from codeseek.fill import FILL_LOCK
from codeseek.paths import index_dir
from codeseek.stores.locks import lock_holder

__all__ = ["start_fill"]

NICENESS = 10


def start_fill(root: Path, *, encoder: str | None, device: str) -> bool:
    """Starts `codeseek index` for `root`, detached from this process and its terminal.

    Args:
        root: As `paths.resolve_root` gives it.
        encoder: A folder or a hub id; None for the shipped one.
        device: auto, cpu, cuda or mps.

    Returns:
        Whether such a process is at work now; False where none could be started.
    """
    if lock_holder(index_dir(root) / FILL_LOCK) is not None:
        return True
    # -P: the working folder may be a hostile repository, and must not be where Python looks for modules.
    command = [sys.executable, "-P", "-m", "codeseek", "index", str(root), "--device", device]
    try:
        process = subprocess.Popen(
            [*command, *(("--encoder", encoder) if encoder else ())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    except OSError:
        return False
    process.returncode = 0  # it outlives us by intention: no ResourceWarning
    return True
