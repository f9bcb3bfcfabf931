"""One writer at a time. The kernel drops the lock when its holder dies, so none is ever stale."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codeseek.errors import FileError, IndexLocked

__all__ = ["lock_holder", "writer_lock"]

POLL_S = 0.1


@contextmanager
def writer_lock(path: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Holds the lock file at `path`, which is made where it is missing and removed with its whole folder alone.

    Args:
        wait_s: How long to wait for another holder.

    Raises:
        IndexLocked: If another process holds it still; the message names it.
        FileError: If the file cannot be opened.
    """
    deadline = time.monotonic() + wait_s
    while True:
        descriptor = _open(path)
        try:
            while not _try_lock(descriptor):
                if time.monotonic() >= deadline:
                    raise IndexLocked(
                        f"another process is building this index (process {_read_holder(descriptor)})",
                        hint="wait for it to finish, or end it",
                    )
                time.sleep(POLL_S)
            if _is_at(descriptor, path):
                break
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError):  # a file system without locks, as some network shares are
                raise FileError(
                    f"cannot lock {path}: {error.strerror}",
                    hint="keep the cache on a local disk: CODESEEK_CACHE_DIR=DIR",
                ) from error
            raise
        os.close(descriptor)  # whoever held it removed it with the index: another one counts now
    try:
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except OSError:
            pass  # the name is for the message alone; a full disk must not stop a reader's update
        yield
    finally:
        os.close(descriptor)


def lock_holder(path: Path) -> int | None:
    """The process that holds the lock now, or None. Only tries, never waits."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if _try_lock(descriptor):
            return None
        holder = _read_holder(descriptor)
        return int(holder) if holder.isdigit() else 0
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError as error:
        raise FileError(f"{path.parent} was removed meanwhile", hint="try again") from error
    except OSError as error:
        raise FileError(
            f"cannot open the lock {path}: {error.strerror}", hint="fix its permissions, or set CODESEEK_CACHE_DIR=DIR"
        ) from error


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
