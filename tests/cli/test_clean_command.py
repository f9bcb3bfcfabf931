"""`clean` where something beside the index that it deletes is odd, damaged or full."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.encoder import LetterEncoder, fake_module

from codeseek.paths import CATALOGUE_NAME, cache_dir, index_dir, vectors_path
from codeseek.stores.sqlite import connect_writer
from codeseek.stores.vectors import VectorStore

Run = Callable[..., tuple[int, str, str]]
LEFT = "codeseek: vectors that no other index uses may be left: "


@pytest.fixture(autouse=True)
def _encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "codeseek.encoders", fake_module())


@pytest.fixture
def other(codeseek: Run, repository: Path, tmp_path: Path) -> Path:
    """A second repository; both have an index, and contents of their own."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "b.py").write_text("def brand_new():\n    return 'of the other'\n")
    codeseek("index")
    codeseek("index", str(folder))
    return folder


def stored() -> int:
    with VectorStore(vectors_path(LetterEncoder.name)) as store:
        return len(store)


def test_an_index_of_a_newer_version_is_told_and_the_other_deleted(
    codeseek: Run, repository: Path, other: Path
) -> None:
    database = connect_writer(index_dir(repository) / CATALOGUE_NAME)
    database.execute("PRAGMA user_version = 9")
    database.close()
    before = stored()
    code, _, err = codeseek("clean", str(other), "--yes")
    assert code == 0
    deleted, left, hint = err.splitlines()
    assert deleted.startswith(f"codeseek: deleted the index of {other}, ")
    assert left.startswith(f"{LEFT}the index {index_dir(repository)} was written by format 9, ")
    assert hint == "  hint: upgrade codeseek, or in its repository: codeseek index --rebuild"
    assert not index_dir(other).exists()
    assert stored() == before


def test_the_vectors_of_a_catalogue_that_cannot_be_read_are_kept(codeseek: Run, repository: Path, other: Path) -> None:
    (index_dir(repository) / CATALOGUE_NAME).write_bytes(b"not a database" * 100)
    before = stored()
    assert "  its catalogue cannot be read\n" in codeseek("clean", "--list")[1]
    assert codeseek("clean", "--orphans", "--yes")[2] == "codeseek: there is nothing to delete\n"
    code, _, err = codeseek("clean", str(other), "--yes")
    assert code == 0
    assert f"{LEFT}{index_dir(repository) / CATALOGUE_NAME} is damaged: " in err
    assert stored() == before


def test_a_disk_that_is_full_is_told_and_nothing_is_left_on_it(
    codeseek: Run, repository: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted((cache_dir() / "vectors").glob("*.rows"))

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        code, _, err = codeseek("clean", str(other), "--yes")
    assert code == 0
    assert f"{LEFT}cannot read or write {vectors_path(LetterEncoder.name)}: No space left on device\n" in err
    assert not index_dir(other).exists()
    assert sorted((cache_dir() / "vectors").glob("*.rows")) == before


def test_a_folder_that_moved_is_listed_and_cleaned(codeseek: Run, repository: Path, other: Path) -> None:
    moved = other.rename(other.with_name("moved"))
    other.symlink_to(moved)
    assert f"{other}  " in codeseek("clean", "--list")[1]
    assert "  its folder has moved\n" in codeseek("clean", "--list")[1]
    code, _, err = codeseek("clean", "--orphans", "--yes")
    assert code == 0
    assert "deleted 1 index of folders that are gone" in err
    assert "deleted 1 vectors that no other index uses" in err
    assert codeseek("status")[0] == 0


def test_the_list_shows_each_vector_store(codeseek: Run, repository: Path) -> None:
    assert codeseek("clean", "--list") == (0, "", "codeseek: there are no indexes\n")
    codeseek("index")
    lines = codeseek("clean", "--list")[1].splitlines()
    assert len(lines) == 2
    size, unit, path, what = lines[1].split()
    assert float(size) > 0
    assert unit in ("B", "KiB")
    assert (path, what) == (str(vectors_path(LetterEncoder.name)), "vectors")
