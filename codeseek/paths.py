"""Where codeseek keeps things, and which folder is the root. The only module that imports platformdirs.

<cache>/indexes/<name>-<hash of the root>/   catalogue.sqlite, lock, dense/<encoder>/<generation>/
<cache>/vectors/<encoder>.sqlite, .rows      shared by all roots, worktrees and clones
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from codeseek.errors import FileError, UsageError

__all__ = [
    "cache_dir",
    "check_owner",
    "config_dir",
    "find_root",
    "index_dir",
    "indexes_dir",
    "make_private_dir",
    "resolve_root",
    "safe_name",
    "vectors_path",
]

CACHE_VARIABLE = "CODESEEK_CACHE_DIR"
CATALOGUE_NAME = "catalogue.sqlite"


def cache_dir() -> Path:
    """The folder of everything that can be built again: `CODESEEK_CACHE_DIR`, else the platform's cache folder."""
    override = os.environ.get(CACHE_VARIABLE)
    if override:
        return Path(os.path.abspath(os.path.expanduser(override)))
    import platformdirs

    return Path(platformdirs.user_cache_dir("codeseek", appauthor=False))


def config_dir() -> Path:
    """The folder of the user's configuration."""
    import platformdirs

    return Path(platformdirs.user_config_dir("codeseek", appauthor=False))


def indexes_dir() -> Path:
    return cache_dir() / "indexes"


def index_dir(root: Path) -> Path:
    """The folder of the index of `root`, whether it exists or not; a function of the resolved path alone."""
    resolved = os.fsencode(os.path.realpath(root))
    digest = hashlib.blake2b(resolved, digest_size=8).hexdigest()
    return indexes_dir() / f"{safe_name(os.path.basename(os.fsdecode(resolved)))}-{digest}"


def vectors_path(encoder_name: str) -> Path:
    """The vector store of one encoder."""
    return cache_dir() / "vectors" / f"{encoder_slug(encoder_name)}.sqlite"


def encoder_slug(encoder_name: str) -> str:
    """A file name for an encoder: readable, and distinct for distinct names."""
    digest = hashlib.blake2b(encoder_name.encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    return f"{safe_name(encoder_name)}-{digest}"


def safe_name(text: str) -> str:
    """Letters, digits, dot, dash and underscore of `text`, at most 40 characters, never empty or hidden."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:40].strip(".-") or "root"


def resolve_root(root: Path | str) -> Path:
    """`root` as an absolute folder without symbolic links.

    Raises:
        UsageError: If it is not an existing folder.
    """
    resolved = Path(os.path.realpath(os.path.expanduser(root)))
    if not resolved.is_dir():
        why = "it is not a folder" if resolved.exists() else "no such folder"
        raise UsageError(f"cannot index {root}: {why}", hint="name an existing folder: codeseek index DIR")
    return resolved


def find_root(start: Path | str) -> Path:
    """The root that `start` belongs to: the nearest ancestor with an index, else with a `.git`, else `start` itself.

    Args:
        start: A folder, or a file, whose folder then counts.
    """
    folder = Path(os.path.realpath(os.path.expanduser(start)))
    if not folder.is_dir():
        folder = folder.parent
    candidates = (folder, *folder.parents)
    for candidate in candidates:
        if (index_dir(candidate) / CATALOGUE_NAME).exists():
            return candidate
    for candidate in candidates:
        if os.path.lexists(candidate / ".git"):
            return candidate
    return folder


def make_private_dir(folder: Path) -> Path:
    """Makes `folder` and its missing parents, for the user alone.

    What is there already below the cache folder is closed to others; the cache folder itself is the user's choice, and
    stays as it is.

    Raises:
        FileError: If it cannot be made, or others may write in it.
    """
    try:
        missing = []
        current = folder
        while not current.exists():
            missing.append(current)
            current = current.parent
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder")
    except OSError as error:
        raise FileError(
            f"cannot create the folder {folder}: {error.strerror or error}",
            hint=f"free or fix it, or choose another cache folder with {CACHE_VARIABLE}=DIR",
        ) from error
    check_owner(folder)
    for path in _below_cache(folder):
        _close_to_others(path)
    return folder


def check_owner(folder: Path) -> None:
    """Refuses a folder below the cache folder that another user made: what it holds decides what a search answers.

    Raises:
        FileError: If it, or one between it and the cache folder, belongs to neither the user nor root. For root, who
            may name anybody's folder, the owner of the cache folder will do as well.
    """
    trusted = {os.geteuid(), 0}
    for path in _below_cache(folder):
        try:
            owner = path.stat().st_uid
            if owner not in trusted and (os.geteuid() != 0 or owner != cache_dir().stat().st_uid):
                raise FileError(
                    f"refused the folder {path}: it belongs to another user (uid {owner})",
                    hint=f"remove it, or choose a cache folder of your own: {CACHE_VARIABLE}=DIR",
                )
        except OSError:
            return  # whoever opens it next says why it cannot be read


def _below_cache(folder: Path) -> Iterator[Path]:
    """`folder` and its parents that lie below the cache folder, the uppermost first."""
    cache = cache_dir()
    if cache in folder.parents:
        below = folder.relative_to(cache)
        yield from (cache / parent for parent in reversed((below, *below.parents[:-1])))


def _close_to_others(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return
    try:
        path.chmod(mode & 0o700)
    except OSError as error:
        if mode & 0o022:
            raise FileError(
                f"cannot close {path} to other users, who may write in it: {error.strerror}",
                hint=f"chmod go-rwx {path}, or choose another cache folder with {CACHE_VARIABLE}=DIR",
            ) from error
