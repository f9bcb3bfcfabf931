"""Repositories that no training pair may come from: benchmarks would measure what a model has seen.

The default list is in the package as sorted 8-byte hashes of `owner/name` in lower case, and is always enforced. A copy
or fork is recognised by what its manifests call home, and a folder whose owner is unknown by its name alone: it may be
a checkout of an excluded repository, so it is refused until it says whose it is.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from codeseek.errors import DataError, FileError, UsageError

__all__ = ["Exclusions", "RepositoryName", "check_allowed", "load_exclusions", "name_hash", "read_repository_name"]

HASHES_NAME = "excluded_repositories.bin"
MANIFESTS = (
    "package.json", "go.mod", "Cargo.toml", "pyproject.toml", "setup.py", "setup.cfg", "composer.json", "pom.xml",
    "build.sbt", "mix.exs", "bower.json",
)  # fmt: skip
MANIFEST_SUFFIXES = (".gemspec", ".cabal", ".csproj", ".nuspec", ".podspec", ".rockspec", ".opam")
MANIFEST_MAX_BYTES = 200_000
# Names that folders have without meaning any repository, although an excluded one is called so, too.
GENERIC_NAMES = frozenset(
    {"project", "repository", "code", "lib", "core", "server", "client", "website", "tools", "scripts"}
)
_OWNER_NAME = r"([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+)"
_REMOTE = re.compile(rf"(?:github\.com|gitlab\.com|bitbucket\.org|codeberg\.org)[:/]{_OWNER_NAME}", re.IGNORECASE)
# Only lines that say where the project itself lives, not where its dependencies do.
_HOME = re.compile(
    rf"^.{{0,60}}(?:repository|homepage|home-page|^module |project_?url|source[-_ ]?(?:code|url|repo\w*)|\burl\b|<scm|"
    rf"bug-?reports|location|github).{{0,60}}?github\.com[:/]{_OWNER_NAME}",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """What a folder is called. `full` is owner/name, or the folder's name where no owner is known.

    `aliases` are all names in the form owner/name that it goes by: remotes, folder, manifests.
    """

    full: str
    aliases: tuple[str, ...]

    @property
    def has_owner(self) -> bool:
        return "/" in self.full


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Hashes of excluded names, and of their last parts alone, each sorted; uint64."""

    full: np.ndarray
    last: np.ndarray

    def holds(self, name: str) -> bool:
        """Whether owner/name is excluded."""
        return _contains(self.full, name_hash(name))

    def holds_last(self, name: str) -> bool:
        """Whether an excluded repository has this name, whoever owns it."""
        return _contains(self.last, name_hash(name))


def name_hash(name: str) -> int:
    """64 bits of a name in lower case."""
    return int.from_bytes(hashlib.blake2b(name.strip().lower().encode(), digest_size=8).digest(), "little")


def _contains(hashes: np.ndarray, value: int) -> bool:
    at = int(np.searchsorted(hashes, np.uint64(value)))
    return at < len(hashes) and int(hashes[at]) == value


@lru_cache(maxsize=1)
def _shipped() -> Exclusions:
    path = Path(__file__).with_name(HASHES_NAME)
    try:
        hashes = np.fromfile(path, "<u8")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}", hint="install codeseek again") from error
    # The number of full names, the full names, then the last parts.
    count = int(hashes[0]) if len(hashes) else 0
    if not count or count >= len(hashes):
        raise DataError(f"{path} is damaged: {len(hashes)} numbers, {count} names", hint="install codeseek again")
    return Exclusions(hashes[1 : 1 + count], hashes[1 + count :])


def pack_exclusions(names: Iterable[str]) -> bytes:
    """The content of the file in the package, from names in the form owner/name."""
    listed = {name.strip().lower() for name in names if name.strip()}
    full = np.unique(np.array([name_hash(name) for name in listed], "<u8"))
    last = np.unique(np.array([name_hash(name.rpartition("/")[2]) for name in listed], "<u8"))
    return np.concatenate([np.array([len(full)], "<u8"), full, last]).tobytes()


def load_exclusions(extra: Path | None = None) -> Exclusions:
    """The default list, and the names of a file, one owner/name a line; `#` begins a comment.

    Raises:
        FileError: If the file cannot be read.
        DataError: If a line is no owner/name.
    """
    shipped = _shipped()
    if extra is None:
        return shipped
    try:
        lines = extra.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"cannot read {extra}: {error}") from error
    names = []
    for number, line in enumerate(lines, 1):
        name = line.partition("#")[0].strip()
        if not name:
            continue
        if not re.fullmatch(r"[^/\s]+/[^/\s]+", name):
            raise DataError(f"{extra}:{number} holds {name!r}, wanted owner/name")
        names.append(name)
    full = np.array([name_hash(name) for name in names], np.uint64)
    last = np.array([name_hash(name.partition("/")[2]) for name in names], np.uint64)
    return Exclusions(np.union1d(shipped.full, full), np.union1d(shipped.last, last))


def read_repository_name(root: Path) -> RepositoryName:
    """What a checkout is called: by its git remotes, else by a folder named owner+name, else by the folder's name.

    Reads files only; git is not started.
    """
    aliases = [name for config in _git_configs(root) for name in _names_in(_REMOTE, _read(config))]
    folder = root.resolve().name
    owner, plus, name = folder.partition("+")
    if plus and owner and name:
        aliases.append(f"{owner}/{name}")
    full = aliases[0] if aliases else folder
    aliases += [name for path in _manifests(root) for name in _names_in(_HOME, _read(path))]
    return RepositoryName(full.lower(), tuple(dict.fromkeys(alias.lower() for alias in aliases)))


def _git_configs(root: Path) -> list[Path]:
    """The configuration of the repository or of the one that a worktree belongs to; that of a bare one beside it."""
    git = root / ".git"
    if git.is_file():
        target = _read(git).partition("gitdir:")[2].strip()
        folder = (root / target).resolve() if target else git
        common = _read(folder / "commondir").strip()
        return [(folder / common if common else folder) / "config", folder / "config"]
    return [git / "config"]


def _names_in(pattern: re.Pattern[str], text: str) -> list[str]:
    return [f"{found[1]}/{found[2].removesuffix('.git').rstrip('.')}" for found in pattern.finditer(text)]


def _manifests(root: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(root))
    except OSError as error:
        raise UsageError(f"cannot read the folder {root}: {error.strerror}") from error
    return [root / name for name in names if name in MANIFESTS or name.endswith(MANIFEST_SUFFIXES)]


def _read(path: Path) -> str:
    """The head of a regular file; "" where there is none."""
    try:
        if path.is_symlink() or not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(MANIFEST_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def check_allowed(root: Path, exclusions: Exclusions) -> RepositoryName:
    """The name of a repository that pairs may come from.

    Raises:
        UsageError: If it is excluded, or may be: its owner is unknown and its name is that of an excluded one.
    """
    name = read_repository_name(root)
    for alias in (name.full, *name.aliases):
        if exclusions.holds(alias):
            raise UsageError(
                f"{root} is {alias} or a copy of it, which is excluded from training",
                hint="it is part of a benchmark; mine other repositories",
            )
    if not name.has_owner and name.full not in GENERIC_NAMES and exclusions.holds_last(name.full):
        raise UsageError(
            f"{root} may be a copy of an excluded repository: one has the name {name.full}, and no owner is known",
            hint=f"name the folder OWNER+{name.full}, or keep its .git with a remote",
        )
    return name
