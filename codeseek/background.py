"""Let a process of low priority give the rest of an index its vectors when a search has answered.

It runs `main`. A lock file, inherited from whoever starts it, is held while it lives, so that searches in quick
succession start one. What makes it fail is left in a file for the next search to tell: nobody sees its standard error.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from codeseek.fill import FILL_LOCK, fill_vectors
from codeseek.paths import CATALOGUE_NAME, index_dir
from codeseek.stores.locks import lock_holder
from codeseek.update import BuildLog

__all__ = ["last_failure", "main", "start_fill"]

LOCK_NAME = "background.lock"
FAILURE_NAME = "background.error"
FAILURE_MAX_CHARS = 1_000
NICENESS = 10


def start_fill(root: Path, *, encoder: str | None, device: str) -> bool:
    """Starts a process for `root`, detached from this one and its terminal.

    Args:
        root: As `paths.resolve_root` gives it.
        encoder: A folder or a hub id; None for the shipped one.
        device: auto, cpu, cuda or mps.

    Returns:
        Whether such a process is at work now; False where none could be started.
    """
    folder = index_dir(root)
    if lock_holder(folder / FILL_LOCK) is not None:
        return True
    try:
        lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # -P: the working folder may be a hostile repository, and must not be where Python looks for modules.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "codeseek.background", str(root), device, encoder or ""],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lock,),
        )
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(lock)
    process.returncode = 0  # it outlives us by intention: no ResourceWarning
    return True


def last_failure(root: Path) -> str:
    """What made the last process fail; "" where nothing did."""
    try:
        told = (index_dir(root) / FAILURE_NAME).read_text(encoding="utf-8", errors="replace")[:FAILURE_MAX_CHARS]
        return told or "what failed could not be written, as on a full disk"
    except OSError:
        return ""


def main(root: Path, device: str, encoder: str | None) -> int:
    """Fills in what is missing, and nothing else: an index that was deleted meanwhile stays so."""
    from codeseek.encoders import LazyEncoder

    folder = index_dir(root)
    if not (folder / CATALOGUE_NAME).exists():
        return 0
    failure = ""
    try:
        model = LazyEncoder(encoder, device)
        fill_vectors(root, model, model.name, progress=lambda stage, done, total: None, log=BuildLog(), follow=False)
    except Exception as error:
        failure = " ".join(str(error).split()) or type(error).__name__
    with suppress(OSError):
        if not failure:
            (folder / FAILURE_NAME).unlink(missing_ok=True)
        else:
            file = os.open(folder / FAILURE_NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with open(file, "w", encoding="utf-8", errors="replace") as opened:
                opened.write(failure[:FAILURE_MAX_CHARS])
    return 2 if failure else 0


if __name__ == "__main__":
    _, root_given, device_given, encoder_given = sys.argv
    sys.exit(main(Path(root_given), device_given, encoder_given or None))
