"""What an opened index says of a catalogue that opens and holds values that no build wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.hazards import NAME, check_as_from_scratch, function, write_files
from fakes.word_encoder import WordEncoder

from codeseek.build import build_index
from codeseek.errors import FileError, IndexDamaged
from codeseek.paths import CATALOGUE_NAME, index_dir, vectors_path
from codeseek.stores.snapshot import open_index
from codeseek.stores.sqlite import connect_writer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = write_files(tmp_path / "repository")
    build_index(folder, WordEncoder())
    return folder


def change(root: Path, statement: str, *values: object) -> None:
    database = connect_writer(index_dir(root) / CATALOGUE_NAME)
    database.execute(statement, values)
    database.close()


@pytest.mark.parametrize("keys", [b"", b"x", b"x" * 16, "x" * 64, 5])
def test_keys_that_are_cut_off_are_damage(root: Path, keys: object) -> None:
    change(root, "UPDATE segments SET keys = ?", keys)
    with open_index(root, NAME) as index, pytest.raises(IndexDamaged, match="is cut off") as caught:
        index.keys()
    assert caught.value.hint == "in its repository: codeseek index --rebuild"


def test_a_time_that_is_none_is_damage(root: Path) -> None:
    change(root, "UPDATE meta SET value = 'x' WHERE key = 'built_s'")
    with open_index(root, NAME) as index, pytest.raises(IndexDamaged, match="values that cannot be read"):
        _ = index.built_s


@pytest.mark.parametrize("value", ["x", b"1", 1.5])
def test_a_generation_without_a_number_counts_as_none_and_is_made_again(root: Path, value: object) -> None:
    change(root, "UPDATE meta SET value = ? WHERE key LIKE 'dense:%'", value)
    with open_index(root, NAME) as index:
        assert index.generation_number is None
        assert index.dense.vectors == len(index)
    check_as_from_scratch(root)


def test_a_store_whose_keys_cannot_be_read_is_searched_as_far_as_it_is_placed_and_made_again(root: Path) -> None:
    (root / "src/more.py").write_text(function("one_more"))
    build_index(root, None, vectors=False)
    database = connect_writer(vectors_path(NAME))
    (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
    (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name LIKE 'sqlite_autoindex%'").fetchone()
    database.close()
    data = bytearray(vectors_path(NAME).read_bytes())
    data[(page - 1) * page_bytes] ^= 1
    vectors_path(NAME).write_bytes(data)
    with open_index(root, NAME) as index:
        assert (index.dense.vectors, len(index)) == (4, 5)
    assert "made again" in str(build_index(root, WordEncoder()).notes)
    check_as_from_scratch(root)


def test_what_sqlite_refuses_is_one_of_our_errors(root: Path) -> None:
    index = open_index(root, NAME)
    index.close()
    for attempt in (index.keys, lambda: index.generation_number, lambda: index.built_s):
        with pytest.raises(FileError, match="closed database"):
            attempt()
