"""Follow the changes below a root. The only module that imports watchfiles.

An event says that something changed and nothing else: what is done about it is a comparison of all files with the
catalogue, and one is done every `COMPARE_S` without any event. So a lost event costs time, never correctness, and no
list of events is kept.

On Linux each folder that the walk would enter has an inotify watch of its own. Watching the root recursively would be
one call, but watchfiles then enters ignored folders too, follows links out of the root, and gives up at the first
folder that it may not read.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from codeseek.errors import CodeseekError, FileError
from codeseek.files import VERSION_CONTROL
from codeseek.ignore import ChainReader, IgnoreChain
from codeseek.paths import cache_dir
from codeseek.types import BuildReport

__all__ = ["Changes", "FileChanges", "follow_changes", "iter_folders"]

SETTLE_S = 0.3  # an editor's save, and a formatter after it, are one update
SETTLE_MAX_S = 3.0  # when changes never stop
COMPARE_S = 600.0  # for what no event told; also when all watches are made anew
DRAIN_S = 1.0  # during an update, so that watchfiles' own set of paths stays small
STEP_MS = 50  # watchfiles looks at its events this often: 0.05 % of a core (benchmarks/LOG.md)
# A burst like this may have filled the kernel's queue (16,384 events by default, a few a file). watchfiles does not say
# so, and what the kernel dropped may have been a new folder.
BURST_PATHS = 2_048
OPEN_TRIES = 3  # a folder may vanish between being listed and being watched

# Polling: a comparison takes at most this share of one core, and comes at least this far behind a change.
POLL_MAX_SHARE = 0.02
POLL_MIN_S = 2.0
POLLING_VARIABLE = "WATCHFILES_FORCE_POLLING"  # watchfiles' own, with its meaning
# What is written from elsewhere, another machine or the host of a virtual one, makes no event here.
REMOTE_FILE_SYSTEMS = frozenset(
    "nfs nfs4 cifs smb3 smbfs 9p afs ceph lustre virtiofs vboxsf prl_fs drvfs fakeowner fuse.sshfs fuse.glusterfs"
    " fuse.vmhgfs-fuse fuse.osxfs fuse.grpcfuse".split()
)
IGNORE_FILES = frozenset({".gitignore", ".codeseekignore"})


class Changes(Protocol):
    """The moments at which a root is to be compared with its index."""

    def wait(self, compare_s: float) -> None:
        """Returns when a comparison is due.

        Args:
            compare_s: What the last comparison took; polling keeps in proportion to it.
        """

    def drain(self) -> None:
        """Takes note of what has happened so far, without waiting. Called now and then by a long update."""


def follow_changes(root: Path, build: Callable[[], BuildReport], changes: Changes) -> Iterator[BuildReport]:
    """Updates the index whenever a comparison is due, until the root is gone.

    Args:
        root: Absolute.
        build: One update. What it raises ends the iteration.

    Yields:
        What each update did, also where that is nothing.

    Raises:
        FileError: If the root is gone.
    """
    compare_s = 0.0
    while True:
        changes.wait(compare_s)
        _require(root)
        try:
            report = build()
        except CodeseekError:
            _require(root)  # the better explanation
            raise
        compare_s = report.seconds.get("walk", 0.0)
        yield report


def _require(root: Path) -> None:
    if not root.is_dir():
        raise FileError(f"cannot follow {root} any longer: the folder is gone", hint="codeseek clean --orphans")


class FileChanges:
    """`Changes` by the events of the file system; by the clock where there are none.

    Attributes:
        trouble: Why there are no events; None while there are.
    """

    def __init__(self, root: Path, *, by_folder: bool = sys.platform.startswith("linux")) -> None:
        """Watches `root`, which is absolute and without symbolic links, from now on.

        Args:
            by_folder: Watch each folder by itself. Elsewhere than on Linux one watch holds a whole tree at no cost.
        """
        self.trouble: FileError | None = None
        self._root = root
        self._prefix = os.path.join(root, "")
        self._by_folder = by_folder
        self._folders: frozenset[str] = frozenset()
        self._chains = ChainReader(root)
        self._notifier: Any = None
        self._changed = False
        self._outdated = False  # the watches are no longer those of the folders
        self._drained_at = time.monotonic()
        self._open()

    def wait(self, compare_s: float) -> None:
        """Returns when a change has settled, or after `COMPARE_S`."""
        if self.trouble is not None:
            time.sleep(min(max(compare_s / POLL_MAX_SHARE, POLL_MIN_S), COMPARE_S))
        else:
            while not self._changed and (left_s := self._open_again_at - time.monotonic()) > 0:
                self._read(left_s)
            self._settle()
        # Before the comparison, so that nothing falls between them.
        if self._outdated or time.monotonic() >= self._open_again_at:
            self._open()
        self._changed = False

    def _settle(self) -> None:
        now = time.monotonic()
        latest, quiet = now + SETTLE_MAX_S, now + SETTLE_S
        while self._changed and (now := time.monotonic()) < min(quiet, latest):
            if self._read(min(quiet, latest) - now):
                quiet = time.monotonic() + SETTLE_S

    def drain(self) -> None:
        """Takes note of events, at most every `DRAIN_S`."""
        if self._notifier is not None and time.monotonic() - self._drained_at >= DRAIN_S:
            self._read(0.001, step_ms=0)
            self._drained_at = time.monotonic()

    def _open(self) -> None:
        """Watches the folders as they are now."""
        from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

        self.close()
        self._outdated = False
        self._open_again_at = time.monotonic() + COMPARE_S
        self.trouble = _reason_to_poll(self._root)
        for _ in range(OPEN_TRIES):
            if self.trouble is not None:
                return
            folders = list(iter_folders(self._root))
            self._folders, self._chains = frozenset(folders), ChainReader(self._root)
            watched = folders if self._by_folder else [os.fspath(self._root)]
            try:
                self._notifier = RustNotify(watched, False, False, 0, not self._by_folder, False)
                return
            except (FileNotFoundError, PermissionError):
                continue
            except (OSError, UnicodeEncodeError, WatchfilesRustInternalError) as error:
                self.trouble = _translate(error, len(watched))
        self.trouble = FileError("cannot follow changes by events: folders vanish while they are listed")
        self._open_again_at = time.monotonic()

    def close(self) -> None:
        """Ends watching."""
        if self._notifier is not None:
            self._notifier.close()
            self._notifier = None

    def _read(self, timeout_s: float, step_ms: int = STEP_MS) -> bool:
        """Waits for events. Returns whether one of them matters."""
        from watchfiles._rust_notify import WatchfilesRustInternalError

        if self._notifier is None:
            time.sleep(timeout_s)
            return False
        try:
            # 0 would be no timeout at all. An event in the instant of a timeout is lost.
            changes = self._notifier.watch(STEP_MS, step_ms, max(1, round(timeout_s * 1000)), None)
        except WatchfilesRustInternalError:  # once raised, always raised: also for a name that is not UTF-8
            self.close()
            self._changed = self._outdated = True
            return True
        if changes == "signal":
            raise KeyboardInterrupt
        if isinstance(changes, str):
            return False
        self._outdated |= len(changes) >= BURST_PATHS
        matters = False
        for path in sorted({path for _, path in changes}):  # folder by folder, so that each one's rules are read once
            matters |= self._matters(path)
            if matters and self._outdated:
                break  # there is no more to learn
        self._changed |= matters
        return matters

    def _matters(self, path: str) -> bool:
        """Whether an entry that changed could change the index; notes when folders or their rules did."""
        if path in self._folders:
            self._outdated = True
            return True
        folder, _, name = path.rpartition("/")
        if (folder or "/") not in self._folders:
            return False
        entry, is_folder = path[len(self._prefix) :], os.path.isdir(path)
        if name not in IGNORE_FILES:
            chain = self._chains.chain_of(entry.removesuffix(name))
            if chain.is_ignored(entry + "/" * is_folder):
                return False
        self._outdated |= is_folder or name in IGNORE_FILES
        return True


def iter_folders(root: Path) -> Iterator[str]:
    """The folders that `files.walk` enters; never the cache of codeseek itself.

    Args:
        root: Absolute, without symbolic links.

    Yields:
        Absolute paths, the root first even where it cannot be read.
    """
    prefix = os.path.join(root, "")
    cache = os.path.join(os.path.realpath(cache_dir()), "")  # each update writes there, and would cause the next
    stack: list[tuple[str, IgnoreChain]] = [("", IgnoreChain.of_root(root))]
    while stack:
        folder, chain = stack.pop()
        absolute = prefix + folder
        try:
            with os.scandir(absolute) as scan:
                entries = list(scan)
        except OSError:
            if folder:
                continue
            entries = []
        chain = chain.enter(Path(absolute), folder, {entry.name for entry in entries})
        yield absolute.rstrip("/") or "/"
        for entry in entries:
            path = f"{folder}{entry.name}/"
            walked = entry.name not in VERSION_CONTROL and f"{prefix}{path}" != cache and _is_folder(entry)
            if walked and not chain.is_ignored(path):
                stack.append((path, chain))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _reason_to_poll(root: Path) -> FileError | None:
    """Why events are not even tried: the user says so, or they would tell half of the changes."""
    wish = os.environ.get(POLLING_VARIABLE, "").lower()
    if wish:
        return None if wish in ("false", "disable", "disabled") else FileError(f"{POLLING_VARIABLE} is set")
    kind = _file_system(root)
    if kind not in REMOTE_FILE_SYSTEMS:
        return None
    return FileError(
        f"{root} is on {kind}, which tells nothing of changes made elsewhere",
        hint=f"if all changes are made here, follow events nevertheless: {POLLING_VARIABLE}=false",
    )


def _file_system(path: Path) -> str:
    """The type of the file system that holds `path`, as Linux names it; "" where that cannot be learned."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    found, kind = "", ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields.split(" ")[4])
        if len(place) >= len(found) and path.is_relative_to(place):
            found, kind = place, rest.split(" ", 1)[0]
    return kind


def _translate(error: Exception, folders: int) -> FileError:
    """watchfiles' exceptions, of which only the text tells the cause."""
    text = str(error)
    what = "cannot follow changes by events"
    if isinstance(error, UnicodeEncodeError):
        return FileError(f"{what}: the name of a folder is not UTF-8", hint="rename it: find . -type d")
    if "watch limit" in text or "os error 28" in text:
        return FileError(
            f"{what}: there are {folders:,} folders, more than inotify may watch",
            hint="raise the limit: sudo sysctl fs.inotify.max_user_watches=1048576",
        )
    if "os error 24" in text:
        return FileError(
            f"{what}: too many programs of this user do", hint="sudo sysctl fs.inotify.max_user_instances=1024"
        )
    return FileError(f"{what}: {text}")
