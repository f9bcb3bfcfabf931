"""What is damaged, full, missing or of another version is said, survived and mended."""

import os
import shutil
from pathlib import Path

import pytest
from fakes.small_repository import (
    CHILD,
    NAME,
    answers,
    child,
    function,
    many_files,
    scratch_answers,
    write_repository,
)
from fakes.word_encoder import WordEncoder

import codeseek.fill
import codeseek.update
from codeseek.build import build_index
from codeseek.errors import FileError, IndexFormat, IndexMissing, UsageError
from codeseek.maintenance import prune_vectors
from codeseek.paths import CATALOGUE_NAME, index_dir
from codeseek.stores.snapshot import open_index
from codeseek.stores.sqlite import connect_writer
from codeseek.verify import verify_index


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_repository(tmp_path / "repository")


def test_a_damaged_catalogue_is_built_again(root: Path) -> None:
    build_index(root, WordEncoder())
    before = answers(root)
    path = index_dir(root) / CATALOGUE_NAME
    data = bytearray(path.read_bytes())
    for damaged in (b"not a database" * 100, bytes(data[: len(data) // 2]), bytes(data[:100])):
        path.write_bytes(damaged)
        assert verify_index(root, NAME)
        report = build_index(root, WordEncoder(), rebuild=True)
        assert report.notes
        assert report.encoded == 0
        assert answers(root) == before


def test_formats(root: Path) -> None:
    build_index(root, WordEncoder())
    path = index_dir(root) / CATALOGUE_NAME
    for version in (0, 9):
        database = connect_writer(path)
        database.execute(f"PRAGMA user_version = {version}")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        with pytest.raises(IndexFormat, match=f"format {version}, this version reads") as caught:
            open_index(root, NAME)
        assert "codeseek index" in caught.value.hint
        if version == 9:
            with pytest.raises(IndexFormat):  # that of a newer version is not ours to remove unasked
                build_index(root, WordEncoder())
        assert build_index(root, WordEncoder(), rebuild=version == 9).notes
        assert verify_index(root, NAME) == []


def test_damaged_vectors_are_made_again(root: Path) -> None:
    build_index(root, WordEncoder())
    before = answers(root)
    store = next((index_dir(root).parent.parent / "vectors").glob("*.sqlite"))
    store.write_bytes(b"garbage" * 1000)
    shutil.rmtree(index_dir(root) / "dense")
    report = build_index(root, WordEncoder())
    assert report.notes
    assert report.encoded == report.chunks
    assert answers(root) == before


def test_a_vector_with_a_flipped_bit_is_found_and_made_again(root: Path) -> None:
    build_index(root, WordEncoder())
    before = answers(root)
    rows = next((index_dir(root).parent.parent / "vectors").glob("*.rows"))
    data = bytearray(rows.read_bytes())
    data[len(data) // 2] ^= 0x40
    rows.write_bytes(data)
    assert ["1 vectors are damaged" in problem for problem in verify_index(root, NAME)] == [True]
    assert build_index(root, WordEncoder(), rebuild=True).encoded == 1
    assert verify_index(root, NAME) == []
    assert answers(root) == before


def test_rows_that_moved_are_looked_up_and_placed_again(root: Path) -> None:
    """Removing vectors that nothing needs moves those that are left; the generation is about their old places."""
    build_index(root, WordEncoder())
    (root / "src/files.py").write_text(function("something_else"))
    build_index(root, WordEncoder())
    before = answers(root)
    assert sum(prune_vectors().values()) > 0
    assert verify_index(root, NAME) == []
    assert answers(root) == before
    with open_index(root, NAME) as index:
        assert index.dense.base_rows == 0
    build_index(root, WordEncoder())
    with open_index(root, NAME) as index:
        assert index.dense.base_rows == len(index)
    assert answers(root) == before


def test_a_graph_that_takes_too_much_memory_is_left_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codeseek.fill, "EXACT_MAX_ROWS", 2)
    monkeypatch.setattr(codeseek.fill, "GRAPH_MEMORY_SHARE", 1e-9)
    build_index(root, WordEncoder())
    assert not list(index_dir(root).glob("dense/*/*/graph*"))


def test_a_store_with_pages_that_cannot_be_read_is_made_again(root: Path) -> None:
    """It opens, since its first page is whole."""
    many_files(root, 40)
    build_index(root, WordEncoder())
    before = answers(root)
    store = next((index_dir(root).parent.parent / "vectors").glob("*.sqlite"))
    data = bytearray(store.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    store.write_bytes(data)
    (root / "src/more.py").write_text(function("one_more_function"))
    report = build_index(root, WordEncoder())
    assert any("made again" in note for note in report.notes)
    (root / "src/more.py").unlink()
    build_index(root, WordEncoder())
    assert answers(root) == before


@pytest.mark.parametrize("name", ["graph.hnsw", "graph_rows.npy", "numbers.npy", "manifest.json", "rows.npy"])
def test_a_damaged_generation_is_not_used_and_made_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(codeseek.fill, "EXACT_MAX_ROWS", 2)
    build_index(root, WordEncoder())
    before = answers(root)
    path = next(index_dir(root).glob(f"dense/*/*/{name}"))
    for data in (b"", path.read_bytes()[:50], b"\xff" * path.stat().st_size):
        path.write_bytes(data)
        assert verify_index(root, NAME)
        assert answers(root) == before
        build_index(root, WordEncoder())
        assert verify_index(root, NAME) == []
        assert answers(root) == before
        path = max(index_dir(root).glob(f"dense/*/*/{name}"))


def test_a_graph_with_a_flipped_bit_is_not_given_to_hnswlib(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codeseek.fill, "EXACT_MAX_ROWS", 2)
    monkeypatch.setattr("codeseek.indexes.generation.HEAD_BYTES", 128)
    build_index(root, WordEncoder())
    before = answers(root)
    path = next(index_dir(root).glob("dense/*/*/graph.hnsw"))
    data = bytearray(path.read_bytes())
    data[200] ^= 0x40
    path.write_bytes(data)
    with monkeypatch.context() as patch:
        patch.setattr("codeseek.indexes.generation.load_graph", lambda *_: pytest.fail("hnswlib read it"))
        assert answers(root) == before
    assert verify_index(root, NAME)
    build_index(root, WordEncoder(), rebuild=True)
    assert verify_index(root, NAME) == []


def test_refusals(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        build_index(tmp_path / "nothing", WordEncoder())
    with pytest.raises(UsageError, match="not a folder"):
        build_index(root / "README.md", WordEncoder())
    with pytest.raises(UsageError, match="encoder"):
        build_index(root, None)
    with pytest.raises(IndexMissing, match="not indexed") as caught:
        open_index(root, NAME)
    assert caught.value.hint == f"build the index: codeseek index {root}"
    (tmp_path / "codeseek-cache").write_text("in the way")
    with pytest.raises(FileError, match="cannot create the folder"):
        build_index(root, WordEncoder())


FULL_DISK = (
    CHILD
    + """
import resource
from codeseek.errors import FileError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    build_index(Path(sys.argv[1]), WordEncoder())
except FileError as error:
    sys.exit(0 if error.hint else 4)
sys.exit(3)
"""
)


@pytest.mark.parametrize("limit", [20_000, 60_000])
def test_a_full_disk_is_said_and_survived(root: Path, tmp_path: Path, limit: int) -> None:
    """A limit on the size of files fails writes as a full disk does."""
    many_files(root, 80)
    assert child(FULL_DISK, str(root), str(limit)).wait(timeout=60) == 0
    report = build_index(root, WordEncoder())
    assert report.vectors == report.chunks
    assert verify_index(root, NAME) == []
    assert answers(root) == scratch_answers(root, tmp_path / "scratch")


def test_searching_a_cache_that_cannot_be_written(root: Path) -> None:
    build_index(root, WordEncoder())
    before = answers(root)
    folder = index_dir(root)
    for name in ("catalogue.sqlite-wal", "catalogue.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / CATALOGUE_NAME).chmod(0o400)
    folder.chmod(0o500)
    try:
        assert answers(root) == before
    finally:
        folder.chmod(0o700)


def test_odd_roots(tmp_path: Path) -> None:
    for name in (b"with space", b"new\nline", b"caf\xe9", b"-dash"):
        root = tmp_path / os.fsdecode(name)
        root.mkdir()
        (root / os.fsdecode(b"\xff.py")).write_text(function("parse_header"))
        build_index(root, WordEncoder())
        assert verify_index(root, NAME) == []
        assert answers(root)[0][0][0] == "\udcff.py"


def test_the_progress_moves_and_vectors_are_kept_within_a_batch(root: Path) -> None:
    (root / "src/many.py").write_text("\n\n".join(function(f"compute_number_{n}") for n in range(300)))
    seen: list[int] = []

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "encode":
            seen.append(done)
            if done:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(root, WordEncoder(), progress=interrupt)
    assert seen == [0, codeseek.fill.ENCODE_CALL]
    encoder = WordEncoder()
    report = build_index(root, encoder)
    assert len(encoder.encoded) == report.vectors - codeseek.fill.ENCODE_CALL
