import shutil
from pathlib import Path

import pytest
from fakes.word_encoder import WordEncoder

from codeseek.build import build_index
from codeseek.errors import IndexLocked, IndexMissing
from codeseek.maintenance import index_status, list_indexes, prune_vectors, remove_index
from codeseek.paths import index_dir
from codeseek.stores.locks import writer_lock
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
