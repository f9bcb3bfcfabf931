"""Indexes that older versions wrote, kept in `formats/`, and what a newer version would have written.

`formats/make.py` writes the index of the present formats; nothing that is kept there is ever written again.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tarfile
from pathlib import Path

import pytest
from fakes.hazards import NAME, check_as_from_scratch, find_answers
from fakes.word_encoder import WordEncoder

from codeseek.build import build_index
from codeseek.errors import IndexFormat
from codeseek.indexes import generation
from codeseek.paths import CATALOGUE_NAME, index_dir, make_private_dir, vectors_path
from codeseek.stores import catalogue, vectors
from codeseek.stores.snapshot import open_index
from codeseek.stores.vectors import VectorStore
from codeseek.verify import verify_index

KEPT = sorted((Path(__file__).parent / "formats").glob("*.tar.xz"))
NAMES = re.compile(r"catalogue-(\d+)_vectors-(\d+)_generation-(\d+)_(exact|graph)\.tar\.xz")


def unpack(archive: Path, folder: Path) -> Path:
    """Puts sources, index and vectors where this version looks for them; returns the root."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    root = folder / "source"
    index = make_private_dir(index_dir(root).parent) / index_dir(root).name
    shutil.move(folder / "index", index)
    shutil.move(folder / "vectors", vectors_path(NAME).parent)
    return root


def formats_of(archive: Path) -> tuple[int, int, int]:
    found = NAMES.fullmatch(archive.name)
    assert found is not None, f"{archive.name}: its name says no formats"
    return int(found[1]), int(found[2]), int(found[3])


def test_the_present_formats_are_kept() -> None:
    """Raise a format, and `formats/make.py` has to be run once."""
    assert (catalogue.FORMAT, vectors.FORMAT, generation.FORMAT) in map(formats_of, KEPT)
    assert (1, 1, 1) in map(formats_of, KEPT)


@pytest.mark.parametrize("archive", KEPT, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_what_an_older_version_wrote_answers_or_is_built_again(archive: Path, tmp_path: Path) -> None:
    root = unpack(archive, tmp_path)
    if formats_of(archive)[0] == catalogue.FORMAT:  # words answer before anything is written again
        assert [found[0][2] for found in find_answers(root)[:4:2]] == ["parse_header", "open_connection"]
        assert find_answers(root)[-1][0] == 12
    else:
        with pytest.raises(IndexFormat, match="this version reads") as caught:
            open_index(root, NAME)
        assert caught.value.hint.endswith("as does in its repository: codeseek index")
    if formats_of(archive) == (catalogue.FORMAT, vectors.FORMAT, generation.FORMAT):
        assert verify_index(root, NAME) == []
        assert find_answers(root)[1][0][2] == "parse_header"
        assert find_answers(root)[-1][1] == 1.0
    encoder = WordEncoder()
    report = build_index(root, encoder)
    assert report.vectors == report.chunks == 12
    assert encoder.encoded == [], "vectors of an older format are taken over, not made again"
    check_as_from_scratch(root)


def set_format(path: Path, number: int) -> None:
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {number}")
    database.close()


def test_a_newer_catalogue_is_refused_and_kept(tmp_path: Path) -> None:
    root = unpack(KEPT[0], tmp_path)
    path = index_dir(root) / CATALOGUE_NAME
    newer = catalogue.FORMAT + 1
    set_format(path, newer)
    for attempt in (lambda: open_index(root, NAME), lambda: build_index(root, WordEncoder())):
        with pytest.raises(IndexFormat, match=f"was written by format {newer}, this version reads") as caught:
            attempt()
        assert caught.value.hint == "upgrade codeseek, or in its repository: codeseek index --rebuild"
    assert path.exists()
    assert build_index(root, WordEncoder(), rebuild=True).notes
    check_as_from_scratch(root)


def test_the_version_of_a_catalogue_is_told_before_its_header_says_it(tmp_path: Path) -> None:
    """A newer version's first build that was killed, or that others read still, has all of it in the WAL."""
    path = tmp_path / CATALOGUE_NAME
    newer = catalogue.FORMAT + 1
    database = catalogue.open_for_writing(path, b"/root")
    try:
        database.execute(f"PRAGMA user_version = {newer}")
        with pytest.raises(catalogue.CatalogueFormat) as caught:
            catalogue.open_for_writing(path, b"/root")
        assert int.from_bytes(path.read_bytes()[60:64], "big") == 0
        assert caught.value.version == newer
    finally:
        database.close()


def test_an_older_catalogue_is_built_again(tmp_path: Path) -> None:
    root = unpack(KEPT[0], tmp_path)
    set_format(index_dir(root) / CATALOGUE_NAME, 0)
    report = build_index(root, WordEncoder())
    assert "format 0" in report.notes[0]
    assert report.notes[0].endswith("it was built again")
    check_as_from_scratch(root)


def test_newer_vectors_are_refused_and_kept(tmp_path: Path) -> None:
    root = unpack(next(path for path in KEPT if formats_of(path)[0] == catalogue.FORMAT), tmp_path)
    path = vectors_path(NAME)
    newer = vectors.FORMAT + 1
    set_format(path, newer)
    with pytest.raises(IndexFormat, match=f"format {newer}, this version reads") as caught:
        VectorStore(path)
    assert str(path) in caught.value.hint
    assert path.exists()
    assert find_answers(root)[0][0][2] == "parse_header"  # words answer without them


@pytest.mark.parametrize("number", [0, generation.FORMAT + 1])
def test_a_generation_of_another_format_is_made_again(tmp_path: Path, number: int) -> None:
    root = unpack(KEPT[0], tmp_path)
    build_index(root, WordEncoder())
    before = find_answers(root)
    manifest = max(index_dir(root).glob("dense/*/*/manifest.json"))
    manifest.write_text(re.sub(r'"format": \d+', f'"format": {number}', manifest.read_text()))
    assert find_answers(root) == before
    build_index(root, WordEncoder())
    assert verify_index(root, NAME) == []
    assert find_answers(root) == before
