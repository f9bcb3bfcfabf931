"""Writes the small index that this version makes, for `test_formats.py`: run it once a format, and keep what it wrote.

    PYTHONPATH=.:tests python tests/stores/formats/make.py

A format that is in this folder is never written again, because only what an old version wrote shows that it is read.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
import tempfile
from pathlib import Path

from fakes.word_encoder import WordEncoder

import codeseek.fill
from codeseek.build import build_index
from codeseek.indexes import generation
from codeseek.paths import index_dir, vectors_path
from codeseek.stores import catalogue, segments, vectors

HERE = Path(__file__).parent
CODE = "def {name}(value):\n    '''Docs of {words}.'''\n    return value\n"


def write_sources(root: Path) -> None:
    """What was indexed; a second build replaced one file and took another out, so that there is something dead."""
    functions = ["parse_header", "open_connection", "close_every_file", "retry_with_backoff", "read_token"]
    for name in functions:
        text = CODE.format(name=name, words=name.replace("_", " "))
        (root / f"{name}.py").write_text(text + "\n\n" + text.replace(name, f"{name}_again"))
    (root / "notes.md").write_text("# Notes\n\nA token reader for headers.\n")
    (root / os.fsdecode(b"caf\xe9.py")).write_text(CODE.format(name="brew_coffee", words="brewing coffee"))
    (root / "empty.py").write_bytes(b"")


def make(with_graph: bool) -> Path:
    """Builds the index in a folder of its own and packs it: sources, catalogue, vectors and the dense generation."""
    kind = "graph" if with_graph else "exact"
    formats = (catalogue.FORMAT, vectors.FORMAT, generation.FORMAT)
    target = HERE / "catalogue-{}_vectors-{}_generation-{}_{}.tar.xz".format(*formats, kind)
    if target.exists():
        return target
    codeseek.fill.EXACT_MAX_ROWS = 2 if with_graph else 20_000
    segments.MERGE_RUN = 4
    encoder = WordEncoder()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CODESEEK_CACHE_DIR"] = str(folder / "cache")
        root = folder / "source"
        root.mkdir()
        (root / "read_token.py").write_text(CODE.format(name="gone_later", words="what goes"))
        (root / "gone.py").write_text(CODE.format(name="gone_too", words="what goes"))
        build_index(root, encoder)
        (root / "gone.py").unlink()
        write_sources(root)
        build_index(root, encoder, rebuild=True)
        with tarfile.open(target, "w:xz", preset=9) as archive:
            add(archive, root, "source")
            add(archive, index_dir(root), "index")
            add(archive, vectors_path(encoder.name).parent, "vectors")
    return target


def add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Adds a file or a folder without who wrote it and when, in the order of the names."""
    if path.is_dir():
        for entry in sorted(path.iterdir()):
            if entry.name != "lock" and not entry.name.endswith(("-wal", "-shm")):
                add(archive, entry, f"{name}/{entry.name}")
        return
    data = path.read_bytes()
    record = tarfile.TarInfo(name)
    record.size = len(data)
    archive.addfile(record, io.BytesIO(data))


if __name__ == "__main__":
    for with_graph in (False, True):
        sys.stdout.write(f"{make(with_graph)}\n")
