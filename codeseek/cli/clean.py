"""`codeseek clean`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codeseek.cli.failures import EXIT_ERROR
from codeseek.cli.options import RootArgument, new_app
from codeseek.cli.places import index_root
from codeseek.cli.streams import confirm, is_terminal, notice, results_stream
from codeseek.cli.tables import counted, format_size, format_table
from codeseek.errors import FileError, IndexMissing, StoreError, UsageError

if TYPE_CHECKING:
    from codeseek.maintenance import IndexEntry

app = new_app()


@app.command(epilog="Example: codeseek clean --orphans --yes")
def clean(
    root: RootArgument = None,
    all_indexes: Annotated[bool, typer.Option("--all", help="Delete every index, and all vectors.")] = False,
    orphans: Annotated[bool, typer.Option("--orphans", help="Delete the indexes whose folder is gone.")] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="Show every index and vector store with its size, and delete nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> int:
    """Delete the index of a repository; says what and how much, and asks first. The repository stays as it is."""
    if sum((all_indexes, orphans, listed, root is not None)) > 1:
        raise UsageError("ROOT, --all, --orphans and --list exclude each other", hint="codeseek clean --help")
    if listed:
        return _list()
    if all_indexes:
        return _clean_all(yes=yes)
    if orphans:
        from codeseek.maintenance import list_indexes

        gone = [entry.folder for entry in list_indexes() if entry.is_orphan]
        return _clean(gone, f"{counted(len(gone), 'index', 'indexes')} of folders that are gone", yes=yes)
    return _clean_one(index_root(root), yes=yes)


def _list() -> int:
    from codeseek.maintenance import list_indexes, list_stores

    entries = list_indexes()
    if not entries:
        notice("there are no indexes")
    rows = [(format_size(entry.size_bytes), str(entry.root or entry.folder), _remark(entry)) for entry in entries]
    rows += [(format_size(store.size_bytes), str(store.path), "vectors") for store in list_stores()]
    results_stream(utf8=False).write(format_table(rows))
    return 0


def _remark(entry: IndexEntry) -> str:
    if not entry.is_readable:
        return "its catalogue cannot be read"
    if not entry.is_orphan:
        return ""
    return "its folder has moved" if entry.root is not None and entry.root.is_dir() else "its folder is gone"


def _clean_one(root: Path, *, yes: bool) -> int:
    from codeseek.paths import index_dir

    folder = index_dir(root)
    if not folder.is_dir():
        raise IndexMissing(f"{root} has no index", hint="see which have: codeseek clean --list")
    return _clean([folder], f"the index of {root}", yes=yes)


def _clean(folders: list[Path], what: str, *, yes: bool) -> int:
    from codeseek.maintenance import list_indexes, remove_index

    if not folders:
        notice("there is nothing to delete")
        return 0
    size_bytes = sum(entry.size_bytes for entry in list_indexes() if entry.folder in folders)
    if not _agreed(f"delete {what}: {format_size(size_bytes)} in {folders[0].parent}?", yes=yes):
        return EXIT_ERROR
    freed = sum(remove_index(folder) for folder in folders)
    notice(f"deleted {what}, {format_size(freed)}")
    _prune()
    return 0


def _prune() -> None:
    """What was asked for is done by now, so that a failure is told and no more."""
    from codeseek.maintenance import prune_vectors

    try:
        removed = sum(prune_vectors().values())
    except (StoreError, FileError) as error:
        notice(f"vectors that no other index uses may be left: {error}", hint=error.hint)
        return
    if removed:
        notice(f"deleted {removed:,} vectors that no other index uses")


def _clean_all(*, yes: bool) -> int:
    from codeseek.build import folder_bytes
    from codeseek.maintenance import list_indexes, remove_index
    from codeseek.paths import cache_dir

    folder = cache_dir()
    entries = list_indexes()
    size_bytes = folder_bytes(folder) if folder.is_dir() else 0
    if not size_bytes:
        notice(f"there is nothing in {folder}")
        return 0
    indexes = counted(len(entries), "index", "indexes")
    question = f"delete all indexes and vectors in {folder}: {indexes}, {format_size(size_bytes)}?"
    if not _agreed(question, yes=yes):
        return EXIT_ERROR
    for entry in entries:
        remove_index(entry.folder)  # waits for nobody: an index that is being built is refused
    _remove_vectors(folder / "vectors")
    notice(f"deleted {indexes} and all vectors, {format_size(size_bytes)}")
    return 0


def _remove_vectors(folder: Path) -> None:
    """Deletes the files of the vector stores by name, and nothing else that may lie there."""
    try:
        for pattern in ("*.sqlite*", "*.rows"):
            for file in folder.glob(pattern) if folder.is_dir() else ():
                file.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"cannot delete {folder}: {error.strerror}", hint="fix its permissions") from error


def _agreed(question: str, *, yes: bool) -> bool:
    if yes or confirm(question):
        return True
    if is_terminal(sys.stdin):
        notice("nothing was deleted")
    else:
        notice(f"nothing was deleted, for nobody is there to be asked: {question}", hint="agree beforehand: --yes")
    return False
