"""What `codeseek status` shows and `codeseek clean` removes."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codeseek.build import folder_bytes
from codeseek.errors import CodeseekError, FileError, IndexMissing
from codeseek.files import MAX_FILE_BYTES, content_hash, read_file
from codeseek.fill import FILL_LOCK
from codeseek.paths import CATALOGUE_NAME, cache_dir, index_dir, indexes_dir
from codeseek.stores import catalogue
from codeseek.stores.locks import lock_holder, writer_lock
from codeseek.stores.snapshot import open_index
from codeseek.stores.sqlite import connect_reader, translated
from codeseek.stores.vectors import VectorStore
from codeseek.types import Skipped, SkipReason
from codeseek.update import compare_files

__all__ = [
    "Changes",
    "IndexEntry",
    "IndexStatus",
    "count_changes",
    "index_status",
    "list_indexes",
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
    """An index folder in the cache. `root` is None where its catalogue cannot be read."""

    folder: Path
    root: Path | None
    size_bytes: int

    @property
    def is_orphan(self) -> bool:
        """Whether its root is gone."""
        return self.root is None or not self.root.is_dir()


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
    return [IndexEntry(folder, _root_of(folder), folder_bytes(folder)) for folder in folders]


def _root_of(folder: Path) -> Path | None:
    path = folder / CATALOGUE_NAME
    if not path.exists():
        return None
    try:
        with translated(path):
            database = connect_reader(path)
            try:
                root = catalogue.get_meta(database, "root")
            finally:
                database.close()
    except CodeseekError:
        return None
    return Path(root.decode("utf-8", "surrogateescape")) if isinstance(root, bytes) else None


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
            raise FileError(f"cannot remove {folder}: {error.strerror}", hint="mend its permissions") from error
    return freed


def prune_vectors() -> dict[str, int]:
    """Removes every vector that no index in the cache holds.

    Returns:
        How many were removed, by the name of the store's file.

    Raises:
        IndexDamaged, IndexFormat: If an index cannot be read: what it needs is unknown then, so nothing is removed.
    """
    kept: set[bytes] = set()
    for entry in list_indexes():
        if entry.root is None:
            continue
        with open_index(entry.root) as index:
            data = index.keys().tobytes()
        kept.update(data[at : at + 16] for at in range(0, len(data), 16))
    removed = {}
    for path in sorted((cache_dir() / "vectors").glob("*.sqlite")):
        with VectorStore(path) as store:
            removed[path.stem] = store.keep_only(kept)
    return removed
