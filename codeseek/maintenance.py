"""What `codeseek status` shows and `codeseek clean` removes."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codeseek.build import folder_bytes
from codeseek.errors import CodeseekError, FileError, IndexDamaged, IndexMissing
from codeseek.files import MAX_FILE_BYTES, content_hash, read_file
from codeseek.fill import FILL_LOCK
from codeseek.paths import CATALOGUE_NAME, cache_dir, index_dir, indexes_dir
from codeseek.stores import catalogue
from codeseek.stores.locks import lock_holder, writer_lock
from codeseek.stores.snapshot import open_index
from codeseek.stores.sqlite import connect_reader, translated
from codeseek.stores.vectors import VectorStore, key_bytes, store_files
from codeseek.types import Skipped, SkipReason
from codeseek.update import compare_files

__all__ = [
    "Changes",
    "IndexEntry",
    "IndexStatus",
    "StoreEntry",
    "count_changes",
    "index_status",
    "list_indexes",
    "list_stores",
    "prune_vectors",
    "remove_index",
]


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """One index. `languages` and `skipped` count files; `built_s` is seconds since the epoch of the last change."""

    root: Path
    folder: Path
    format: int
    files: int
    chunks: int
    vectors: int
    languages: Mapping[str, int]
    skipped: Mapping[SkipReason, int]
    size_bytes: int
    built_s: float
    builder: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """How many files the next update will read anew, add and take out."""

    changed: int
    new: int
    removed: int

    def __bool__(self) -> bool:
        return bool(self.changed or self.new or self.removed)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An index folder in the cache. `root` is None where its catalogue is missing, empty or cannot be read."""

    folder: Path
    root: Path | None
    size_bytes: int
    is_readable: bool = True

    @property
    def is_orphan(self) -> bool:
        """Whether no command finds it by its root: that is gone, or it was moved and a link is in its place."""
        if self.root is None:
            return self.is_readable  # whose it is cannot be told now, and perhaps later
        return not self.root.is_dir() or index_dir(self.root) != self.folder


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """A vector store in the cache; `path` is its database."""

    path: Path
    size_bytes: int


def index_status(root: Path, encoder_name: str | None = None) -> IndexStatus:
    """The state of the index of `root`, without looking at its files.

    Raises:
        IndexMissing, IndexFormat, IndexDamaged: As `open_index`.
    """
    folder = index_dir(root)
    with open_index(root, encoder_name) as index:
        return IndexStatus(
            root=root,
            folder=folder,
            format=catalogue.FORMAT,
            files=len(index.paths),
            chunks=len(index),
            vectors=index.dense.vectors,
            languages=index.files_by_language(),
            skipped=dict(Counter(record.reason for record in index.skipped()).most_common()),
            size_bytes=folder_bytes(folder),
            built_s=index.built_s,
            builder=lock_holder(folder / "lock") or lock_holder(folder / FILL_LOCK),
        )


def count_changes(root: Path, default_max_file_bytes: int = MAX_FILE_BYTES) -> Changes:
    """Compares the files under `root` with its index, as the next update will. Reads only those whose times differ.

    Raises:
        IndexMissing, IndexFormat, IndexDamaged: As `open_index`.
        FileError: If the root cannot be read.
    """
    with open_index(root) as index:
        known, skips = index.files(), index.skip_records()
        limit = index.max_file_bytes or default_max_file_bytes
    differing, _, seen = compare_files(root, known, skips, max_file_bytes=limit)
    changed, new, removed = 0, 0, len(known.keys() - seen)
    for source in differing:
        record = known.get(catalogue.encode_path(source.path))
        data = read_file(source, max_file_bytes=limit)
        if isinstance(data, Skipped):
            removed += record is not None
        elif record is None:
            new += 1
        elif content_hash(data) != record.content_hash:
            changed += 1
    return Changes(changed, new, removed)


def list_indexes() -> list[IndexEntry]:
    """Every index in the cache folder, by the name of its folder."""
    try:
        folders = sorted(path for path in indexes_dir().iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []
    return [_describe(folder) for folder in folders]


def _describe(folder: Path) -> IndexEntry:
    size_bytes = folder_bytes(folder)
    try:
        return IndexEntry(folder, _root_of(folder / CATALOGUE_NAME), size_bytes)
    except CodeseekError:
        return IndexEntry(folder, None, size_bytes, is_readable=False)


def _root_of(path: Path) -> Path | None:
    """The root that a catalogue of any format names; None where a build was killed before it began one."""
    with translated(path):
        if not path.exists():
            return None
        database = connect_reader(path)
        try:
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                return None
            root = catalogue.get_meta(database, "root")
        finally:
            database.close()
    if not isinstance(root, bytes):
        raise IndexDamaged(f"{path} names no root", hint="in its repository: codeseek index --rebuild")
    return Path(root.decode("utf-8", "surrogateescape"))


def list_stores() -> list[StoreEntry]:
    """Every vector store in the cache folder, by the name of its file."""
    return [StoreEntry(path, sum(map(_size_bytes, store_files(path)))) for path in _store_paths()]


def _store_paths() -> list[Path]:
    return sorted((cache_dir() / "vectors").glob("*.sqlite"))


def _size_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0  # a reader's -shm may vanish meanwhile


def remove_index(root_or_folder: Path) -> int:
    """Removes one index; its vectors stay until `prune_vectors`.

    Args:
        root_or_folder: The root that was indexed, or an `IndexEntry.folder`.

    Returns:
        Bytes freed.

    Raises:
        IndexMissing: If there is none.
        IndexLocked: If it is being built.
        FileError: If it cannot be removed.
    """
    folder = root_or_folder if root_or_folder.parent == indexes_dir() else index_dir(root_or_folder)
    if not folder.is_dir():
        raise IndexMissing(f"{root_or_folder} is not indexed", hint="codeseek clean --list")
    with writer_lock(folder / "lock"), writer_lock(folder / FILL_LOCK):
        freed = folder_bytes(folder)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise FileError(f"cannot remove {folder}: {error.strerror}", hint="fix its permissions") from error
    return freed


def prune_vectors() -> dict[str, int]:
    """Removes every vector that no index in the cache holds.

    Returns:
        How many were removed, by the name of the store's file.

    Raises:
        StoreError, FileError: If an index cannot be read: what it needs is unknown then, so nothing is removed. Or if a
            store cannot be read or written.
    """
    kept: set[bytes] = set()
    for entry in list_indexes():
        try:
            with open_index(entry.root or entry.folder, folder=entry.folder) as index:
                kept.update(key_bytes(index.keys()))
        except IndexMissing:
            continue  # a build was killed before it began, or the index was removed meanwhile: it needs nothing
        except IndexDamaged as error:
            if not entry.is_readable:  # nor does `--orphans` take it, since nobody can tell whose it is
                error.hint += f"; where that is gone: rm -r {entry.folder}"
            raise
    removed = {}
    for path in _store_paths():
        with VectorStore(path) as store:
            removed[path.stem] = store.keep_only(kept)
    return removed
