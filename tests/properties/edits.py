"""Edits of a working tree, as a person or git makes them. Each is a function of the tree and its numbers alone."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["ACTIONS", "FOLDERS", "MAX_BYTES", "QUERIES", "apply_edit", "text"]

MAX_BYTES = 1_500  # above it a file is left out; two functions fit, five do not
FOLDERS = ("", "d0/", "d1/", "d1/deep/")
NAMES = ("a.py", "b.py", "A.py", "c.js", "notes.md", "plain.txt", "noext")
WORDS = ("parse", "header", "open", "close", "file", "retry", "backoff", "token", "read", "write")
RULES = ("a.py", "*.md", "/d1/", "!a.py", "d1/*", "!d1/deep", "[ab].*", "**/deep/", "plain*", "A.py")
QUERIES = ("parse the header", "close_file", "retry with backoff", "readToken", "write")
YEAR_NS = 365 * 86_400 * 10**9

Edit = Callable[[Path, random.Random], None]


def _path(root: Path, random_: random.Random) -> Path:
    return root / (random_.choice(FOLDERS) + random_.choice(NAMES))


def _existing(root: Path, random_: random.Random) -> Path:
    """A file that is there; the root's own where there is none."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return random_.choice(files) if files else root / "nothing"


def text(random_: random.Random, functions: int | None = None) -> str:
    """A file of a few functions or sections, whose names are made of the same few words."""
    names = ["_".join(random_.choices(WORDS, k=2)) for _ in range(functions or random_.randrange(1, 4))]
    style = random_.randrange(3)
    if style == 0:
        return "".join(f"# {name}\n\nHow to {name.replace('_', ' ')}.\n\n" for name in names)
    if style == 1:
        return "\n".join(f"function {name}(x) {{\n  // {name}\n  return x;\n}}\n" for name in names)
    return "\n\n".join(
        f"def {name}(value):\n    '''Docs of {name.replace('_', ' ')}.'''\n    pass\n    return value\n"
        for name in names
    )


def write(root: Path, random_: random.Random) -> None:
    path = _path(root, random_)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(random_))


def append(root: Path, random_: random.Random) -> None:
    with open(_existing(root, random_), "a") as file:
        file.write("\n\n" + text(random_, 1))


def replace_one_letter(root: Path, random_: random.Random) -> None:
    """Keeps size and modification time, as some tools do."""
    path = _existing(root, random_)
    status = path.stat()
    path.write_text(path.read_text().replace("e", "E", random_.randrange(1, 4)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def delete(root: Path, random_: random.Random) -> None:
    _existing(root, random_).unlink()


def delete_folder(root: Path, random_: random.Random) -> None:
    shutil.rmtree(root / random_.choice(FOLDERS[1:]))


def rename(root: Path, random_: random.Random) -> None:
    target = _path(root, random_)
    target.parent.mkdir(parents=True, exist_ok=True)
    _existing(root, random_).replace(target)


def exchange(root: Path, random_: random.Random) -> None:
    first, second = _existing(root, random_), _existing(root, random_)
    first.replace(root / "aside")
    if first != second:
        second.replace(first)
    (root / "aside").replace(second)


def move_folder(root: Path, random_: random.Random) -> None:
    (root / random_.choice(FOLDERS[1:])).rename(root / random_.choice(("d0", "d1", "d2")))


def change_case(root: Path, random_: random.Random) -> None:
    path = _existing(root, random_)
    path.rename(path.with_name(path.name.swapcase()))


def change_extension(root: Path, random_: random.Random) -> None:
    path = _existing(root, random_)
    path.rename(path.with_suffix(random_.choice((".py", ".js", ".md", ".rb", ""))))


def copy(root: Path, random_: random.Random) -> None:
    source, target = _existing(root, random_), _path(root, random_)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def ignore(root: Path, random_: random.Random) -> None:
    path = root / random_.choice(FOLDERS) / random_.choice((".gitignore", ".codeseekignore"))
    path.write_text("".join(f"{rule}\n" for rule in random_.sample(RULES, random_.randrange(3))))


def stop_ignoring(root: Path, random_: random.Random) -> None:
    for path in sorted(root.rglob(".*ignore")):
        path.unlink()


def touch(root: Path, random_: random.Random) -> None:
    path = _existing(root, random_)
    moment = path.stat().st_mtime_ns + random_.choice((-YEAR_NS, 1, YEAR_NS))
    os.utime(path, ns=(moment, moment))


def change_mode(root: Path, random_: random.Random) -> None:
    _existing(root, random_).chmod(random_.choice((0o444, 0o644, 0o755)))


def become_folder(root: Path, random_: random.Random) -> None:
    path = _existing(root, random_)
    path.unlink()
    path.mkdir()
    (path / random_.choice(NAMES)).write_text(text(random_))


def become_file(root: Path, random_: random.Random) -> None:
    folders = sorted(path for path in root.rglob("*") if path.is_dir())
    path = random_.choice(folders)
    shutil.rmtree(path)
    path.write_text(text(random_))


def become_link(root: Path, random_: random.Random) -> None:
    path = _existing(root, random_)
    target = random_.choice((root / "a.py", root.parent, path.with_name("nowhere")))
    path.unlink()
    path.symlink_to(target)


def become_other(root: Path, random_: random.Random) -> None:
    """Empty, binary, generated, not UTF-8, or too large, and so out of the index, or back in."""
    data = (b"", b" \n", b"\0\1", b"# Code generated by x. DO NOT EDIT.\nx = 1\n", b"caf\xe9 = 1\n", b"x = 1\n" * 500)
    _existing(root, random_).write_bytes(random_.choice(data))


ACTIONS: dict[str, Edit] = {
    edit.__name__: edit
    for edit in (
        write, append, replace_one_letter, delete, delete_folder, rename, exchange, move_folder, change_case,
        change_extension, copy, ignore, stop_ignoring, touch, change_mode, become_folder, become_file, become_link,
        become_other,
    )
}  # fmt: skip


def apply_edit(root: Path, action: str, seed: int) -> None:
    """Does one edit; what the tree does not allow, such as a folder moved into itself, is left undone."""
    with suppress(OSError, shutil.Error, IndexError, UnicodeDecodeError):
        ACTIONS[action](root, random.Random(seed))
