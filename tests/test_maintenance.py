import os
import shutil
from pathlib import Path

import pytest
from fakes.word_encoder import WordEncoder

from codeseek.build import build_index
from codeseek.errors import IndexDamaged, IndexLocked, IndexMissing
from codeseek.maintenance import (
    Changes,
    StoreEntry,
    count_changes,
    index_status,
    list_indexes,
    list_stores,
    prune_vectors,
    remove_index,
)
from codeseek.paths import CATALOGUE_NAME, index_dir, indexes_dir, make_private_dir, vectors_path
from codeseek.stores.locks import writer_lock
from codeseek.stores.sqlite import connect_writer
from codeseek.types import SkipReason

NAME = WordEncoder().name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "a.py").write_text("def one():\n    return 1\n")
    (folder / "b.go").write_text("package b\n\nfunc Two() int { return 2 }\n")
    (folder / "c.bin").write_bytes(b"\0")
    build_index(folder, WordEncoder())
    return folder


def test_status(root: Path) -> None:
    status = index_status(root, NAME)
    assert (status.root, status.files, status.vectors) == (root, 2, status.chunks)
    assert status.languages == {"go": 1, "python": 1}
    assert status.skipped == {SkipReason.BINARY: 1}
    assert status.builder is None
    assert status.built_s > 1_600_000_000
    with pytest.raises(IndexMissing):
        index_status(root.parent, NAME)


def test_changes_are_counted_as_the_next_update_makes_them(root: Path) -> None:
    (root / "ignored.py").write_text("def three():\n    return 3\n")
    build_index(root, WordEncoder())
    assert count_changes(root) == Changes(0, 0, 0)
    assert not count_changes(root)
    os.utime(root / "a.py", ns=(0, 0))  # another time alone is no change
    (root / "b.go").write_text("package b\n\nfunc Three() int { return 3 }\n")
    (root / "d.py").write_text("def four():\n    return 4\n")
    (root / "e.bin").write_bytes(b"\0\0")
    (root / ".gitignore").write_text("ignored.py\n")
    (root / "c.bin").unlink()
    assert count_changes(root) == Changes(changed=1, new=2, removed=1)
    report = build_index(root, WordEncoder())
    assert (report.updated_files, report.removed_files) == (3, 1)
    assert count_changes(root) == Changes(0, 0, 0)


def test_changes_keep_to_the_limit_of_the_index(root: Path) -> None:
    build_index(root, WordEncoder(), max_file_bytes=100)
    (root / "long.py").write_text("x = 1\n" * 100)
    assert not count_changes(root)


def test_a_file_that_cannot_be_indexed_any_more_counts_as_removed(root: Path) -> None:
    (root / "a.py").write_bytes(b"\0\0\0")
    assert count_changes(root) == Changes(0, 0, 1)


def test_list_and_remove(root: Path) -> None:
    entry = list_indexes()[0]
    assert (entry.root, entry.folder, entry.is_orphan) == (root, index_dir(root), False)
    with writer_lock(index_dir(root) / "lock"), pytest.raises(IndexLocked):
        remove_index(root)
    assert remove_index(root) == entry.size_bytes
    assert list_indexes() == []
    with pytest.raises(IndexMissing):
        remove_index(root)


def test_an_orphan_is_told_and_removed_by_its_folder(root: Path) -> None:
    shutil.rmtree(root)
    entry = list_indexes()[0]
    assert entry.is_orphan
    remove_index(entry.folder)
    assert list_indexes() == []


def test_an_index_of_a_folder_that_moved_is_an_orphan_and_keeps_its_vectors(root: Path, tmp_path: Path) -> None:
    """`mv a b; ln -s b a`: whoever resolves the root finds the index of another folder."""
    moved = root.rename(tmp_path / "moved")
    root.symlink_to(moved)
    assert list_indexes()[0].is_orphan
    assert set(prune_vectors().values()) == {0}
    assert build_index(moved, WordEncoder()).encoded == 0
    assert [entry.is_orphan for entry in list_indexes() if entry.root == moved] == [False]


def test_nothing_is_pruned_while_a_catalogue_cannot_be_read(root: Path) -> None:
    entry = list_indexes()[0]
    (entry.folder / CATALOGUE_NAME).write_bytes(b"not a database" * 100)
    damaged = list_indexes()[0]
    assert (damaged.root, damaged.is_readable, damaged.is_orphan) == (None, False, False)
    with pytest.raises(IndexDamaged) as caught:
        prune_vectors()
    assert caught.value.hint == (
        f"in its repository: codeseek index --rebuild; where that is gone: rm -r {entry.folder}"
    )
    assert build_index(root, WordEncoder(), rebuild=True).encoded == 0
    remove_index(entry.folder)
    assert sum(prune_vectors().values()) > 0


def test_what_a_killed_first_build_left_is_an_orphan_that_needs_nothing(root: Path) -> None:
    for name in ("nothing", "empty"):
        make_private_dir(indexes_dir() / name)
    connect_writer(indexes_dir() / "empty" / CATALOGUE_NAME).close()
    assert [entry.is_orphan for entry in list_indexes() if entry.root != root] == [True, True]
    assert set(prune_vectors().values()) == {0}


def test_the_size_of_a_store_counts_its_rows(root: Path) -> None:
    path = vectors_path(NAME)
    files = [file for file in path.parent.iterdir() if file.is_file()]
    assert any(file.suffix == ".rows" for file in files)
    (path.parent / "mine.txt").write_text("not a store")
    assert list_stores() == [StoreEntry(path, sum(file.stat().st_size for file in files))]


def test_pruning_keeps_what_an_index_holds(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(root, other)
    (other / "d.py").write_text("def four():\n    return 4\n")
    assert build_index(other, WordEncoder()).encoded == 1
    assert set(prune_vectors().values()) == {0}
    remove_index(other)
    assert set(prune_vectors().values()) == {1}
    assert build_index(root, WordEncoder()).encoded == 0
    assert build_index(other, WordEncoder()).encoded == 1
