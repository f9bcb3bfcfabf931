"""Which repository is meant, which part of it, and how its paths read from where the user is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from codeseek.errors import UsageError
from codeseek.paths import CATALOGUE_NAME, find_root, index_dir


def index_root(typed: Path | None) -> Path:
    """Returns the root for commands that take `[ROOT]`: the folder typed, else the one around the current folder.

    Raises:
        UsageError: If it does not exist or is not a folder.
    """
    return _not_too_much(find_root(Path.cwd())) if typed is None else _folder(typed)


def search_root(typed: Path | None, paths: Sequence[str], *, query: str) -> tuple[Path, tuple[str, ...]]:
    """Find the root that all `paths` belong to.

    Args:
        typed: The value of `--root`.
        paths: Files and folders as typed, relative to the current folder.
        query: For the hint when a path does not exist: a query without quotes arrives as a query and paths.

    Returns:
        The root and the paths relative to it, with forward slashes; no path when one of them is the root itself.

    Raises:
        UsageError: If a path does not exist, or they do not share a root.
    """
    for path in paths:
        if not os.path.lexists(os.path.expanduser(path)):
            words = " ".join((query, *paths)).strip()
            hint = f"name an existing file or folder, as seen from {Path.cwd()}"
            if query and not any(mark in path for mark in (".", "/", os.sep)):
                hint = f'to search for several words, quote them: codeseek search "{words}"'
            raise UsageError(f"no such file or folder: {path}", hint=hint)
    resolved = [Path(os.path.realpath(os.path.expanduser(path))) for path in paths]
    if typed is not None:
        root = _folder(typed)
    else:
        root = find_root(Path.cwd())
        if resolved and not (_is_known(root) and all(path.is_relative_to(root) for path in resolved)):
            root = _shared_root(root, resolved)
        _not_too_much(root)
    return root, confine(root, resolved)


def _shared_root(current: Path, paths: Sequence[Path]) -> Path:
    """The one root of all `paths`, when the current folder lies in no known root that holds them."""
    roots = sorted({find_root(path) for path in paths})
    if len(roots) > 1 or not _is_known(roots[0]):
        # The common parent of repositories is nobody's root, unless it is one itself or was named.
        plain = not any(_is_known(root) for root in roots)
        for root in (current, *roots):
            holds_all = not _is_too_much(root) and all(path.is_relative_to(root) for path in paths)
            if holds_all and (plain or _is_known(root) or root in paths):
                return root
    if len(roots) > 1:
        listed = ", ".join(map(str, roots))
        raise UsageError(
            f"the paths lie in different repositories: {listed}",
            hint="search them one at a time, or name the folder that holds them: --root DIR",
        )
    return roots[0]


def confine(root: Path, paths: Sequence[Path]) -> tuple[str, ...]:
    """Returns resolved `paths` relative to `root`; () if that is all of it.

    Raises:
        UsageError: If one lies outside.
    """
    inside: list[str] = []
    for path in paths:
        if not path.is_relative_to(root):
            raise UsageError(
                f"{path} is not in {root}",
                hint=f"search it by itself: codeseek search --root {path if path.is_dir() else path.parent} QUERY",
            )
        inside.append(path.relative_to(root).as_posix())
    return () if "." in inside else tuple(inside)


def parse_place(text: str) -> tuple[Path, int]:
    """Returns the file and the 1-based line of FILE:LINE; a column behind the line is ignored, as grep prints one.

    Raises:
        UsageError: If it is not FILE:LINE, or the file does not exist.
    """
    words = text.split(":")
    numbers: list[int] = []
    while len(words) > 1 and len(numbers) < 2 and words[-1].isascii() and words[-1].isdigit():
        numbers.insert(0, int(words.pop()))
    file = Path(":".join(words))
    if not numbers or numbers[0] < 1:
        raise UsageError(f"{text} names no line", hint="name a file and a line: codeseek similar src/walk.py:40")
    if not file.is_file():
        raise UsageError(f"no such file: {file}", hint="name a file and a line: codeseek similar src/walk.py:40")
    return file, numbers[0]


def locate_from(root: Path, folder: Path) -> Callable[[str], str]:
    """Returns the function from a path in `root` to the path that opens it from `folder`.

    Relative where one holds the other, as grep prints it; absolute otherwise.
    """
    folder = Path(os.path.realpath(folder))
    if root == folder:
        return str
    if root.is_relative_to(folder) or folder.is_relative_to(root):
        return lambda path: os.path.relpath(os.path.join(root, path), folder)
    return lambda path: os.path.join(root, path)


def _is_known(root: Path) -> bool:
    """Whether a folder is a repository or has an index."""
    return os.path.lexists(root / ".git") or (index_dir(root) / CATALOGUE_NAME).exists()


def _is_too_much(root: Path) -> bool:
    """Whether a root that nobody named holds everybody's things, and is neither a repository nor indexed.

    A whole disk, a home folder and what holds it, the folder of temporary files.
    """
    # Not `tempfile.gettempdir`, which writes a file to find out.
    home, temporary = (Path(os.path.realpath(folder)) for folder in (Path.home(), os.environ.get("TMPDIR") or "/tmp"))
    return root in (home, *home.parents, temporary, *temporary.parents) and not _is_known(root)


def _not_too_much(root: Path) -> Path:
    if _is_too_much(root):
        raise UsageError(
            f"{root} is no repository, and all of it may be more than you mean",
            hint=f"go into a repository, or build it nevertheless: codeseek index {root}",
        )
    return root


def _folder(typed: Path) -> Path:
    folder = Path(os.path.realpath(typed.expanduser()))
    if folder.is_dir():
        return folder
    if os.path.lexists(folder):
        raise UsageError(f"not a folder: {typed}", hint=f"name the folder that holds it: {folder.parent}")
    raise UsageError(f"no such folder: {typed}", hint="name an existing folder, or none for the current repository")
