import hashlib
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from codeseek.errors import FileError, IndexDamaged, IndexFormat
from codeseek.indexes.quantised import quantise, widen
from codeseek.stores.rows import write_rows
from codeseek.stores.sqlite import connect_writer, switch_to_wal, transaction
from codeseek.stores.vectors import (
    APPLICATION_ID,
    KEY_DTYPE,
    VectorStore,
    find_damaged_rows,
    key_bytes,
    open_vectors,
)


def keys(*names: object) -> np.ndarray:
    return np.array([hashlib.blake2b(str(name).encode(), digest_size=16).digest() for name in names], KEY_DTYPE)


def read(store: VectorStore, names: np.ndarray) -> np.ndarray:
    return widen(store.records()[store.rows_of(names)])


def test_saved_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    vectors = np.random.default_rng(0).standard_normal((3, 8))
    with VectorStore(path) as store:
        assert (len(store), store.dimension, len(store.records())) == (0, 0, 0)
        store.put_many([], np.empty((0, 8)))
        store.put_many(list(keys(1, 2, 3)), vectors)
        store.put_many(list(keys(2, 4, 4)), -vectors)  # whoever comes first
    for read_only in (False, True):
        with VectorStore(path, read_only=read_only) as store:
            assert store.rows_of(keys(3, 9, 1, 2, 4)).tolist() == [2, -1, 0, 1, 3]
            assert np.array_equal(store.records(), quantise(vectors[[0, 1, 2, 1]] * [[1], [1], [1], [-1]]))
            assert (len(store), store.dimension) == (4, 8)
            assert store.missing(keys(7, 1, 8)).tolist() == keys(7, 8).tolist()


def test_many_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeseek.stores.vectors.BLOCK_ROWS", 7)
    monkeypatch.setattr("codeseek.stores.vectors.BATCH_KEYS", 3)
    with VectorStore(tmp_path / "v.sqlite") as store:
        store.put_many(list(keys(*range(20))), np.eye(20))
        assert store.rows_of(keys(*range(19, -1, -1), "x")).tolist() == [*range(19, -1, -1), -1]


def test_what_a_killed_writer_left_is_overwritten(tmp_path: Path) -> None:
    """Rows are written before their keys are committed."""
    path = tmp_path / "v.sqlite"
    with VectorStore(path) as store:
        store.put_many(list(keys(1)), np.eye(3)[:1])
        write_rows(path, store.identity, 1, [quantise(np.eye(3)[1:])])
        assert len(store.records()) == 1
        store.put_many(list(keys(2)), np.eye(3)[2:])
        assert np.array_equal(read(store, keys(1, 2)), np.eye(3)[[0, 2]])


def test_nothing_is_committed_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.sqlite"
    with VectorStore(path) as store:
        store.put_many(list(keys(1)), np.eye(3)[:1])
        with monkeypatch.context() as patch:
            patch.setattr("os.pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            with pytest.raises(FileError, match="No space left on device"):
                store.put_many(list(keys(2)), np.eye(3)[1:2])
        assert store.missing(keys(1, 2)).tolist() == keys(2).tolist()
        store.put_many(list(keys(2)), np.eye(3)[1:2])
        assert np.array_equal(read(store, keys(1, 2)), np.eye(3)[:2])


@pytest.mark.parametrize("cut", [0, 1, None])
def test_missing_rows_are_damage(tmp_path: Path, cut: int | None) -> None:
    path = tmp_path / "v.sqlite"
    with VectorStore(path) as store:
        store.put_many(list(keys(1, 2)), np.eye(3)[:2])
    (rows,) = tmp_path.glob("*.rows")
    if cut is None:
        rows.unlink()
    else:
        os.truncate(rows, cut)
    for read_only in (False, True):
        with pytest.raises(IndexDamaged, match="names 2 rows"):
            VectorStore(path, read_only=read_only)


def format_1(path: Path, vectors: list[np.ndarray]) -> None:
    """A store as version 1 wrote it."""
    connection = connect_writer(path)
    connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID")
    connection.execute("CREATE TABLE vectors (id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, vector BLOB NOT NULL)")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    rows = [
        (key, vector.astype(np.float16).tobytes())
        for key, vector in zip(key_bytes(keys(*range(len(vectors)))), vectors, strict=True)
    ]
    connection.executemany("INSERT INTO vectors (key, vector) VALUES (?, ?)", rows)
    connection.close()


def test_a_store_of_format_1_is_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeseek.stores.format_1.BATCH_ROWS", 7)
    path = tmp_path / "v.sqlite"
    vectors = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float16)
    format_1(path, list(vectors))
    with pytest.raises(IndexFormat, match="format 1, this version reads 2") as caught:
        VectorStore(path, read_only=True)
    assert caught.value.hint == "codeseek index"
    with VectorStore(path) as store:
        assert store.rows_of(keys(*range(50))).tolist() == list(range(50))
        assert np.array_equal(store.records(), quantise(vectors))
        store.put_many(list(keys("x")), vectors[:1])
    with VectorStore(path, read_only=True) as store:
        assert (len(store), store.dimension) == (51, 8)


def test_a_conversion_that_fails_leaves_the_old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.sqlite"
    format_1(path, list(np.eye(20)))
    with monkeypatch.context() as patch:
        patch.setattr("codeseek.stores.format_1.BATCH_ROWS", 7)
        patch.setattr("os.pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(FileError, match="No space left"):
            VectorStore(path)
    assert list(tmp_path.glob("*.rows")) == []
    with VectorStore(path) as store:
        assert np.array_equal(read(store, keys(*range(20))), np.eye(20))
    assert len(list(tmp_path.glob("*.rows"))) == 1


def test_an_empty_store_and_one_of_several_lengths_of_format_1(tmp_path: Path) -> None:
    format_1(tmp_path / "empty.sqlite", [])
    with VectorStore(tmp_path / "empty.sqlite") as store:
        assert len(store) == 0
        store.put_many(list(keys(1)), np.eye(3)[:1])
    format_1(tmp_path / "odd.sqlite", [np.ones(4), np.ones(6)])
    with pytest.raises(IndexDamaged, match="several lengths"):
        VectorStore(tmp_path / "odd.sqlite")


def test_keys_that_end_in_zeros(tmp_path: Path) -> None:
    odd = [bytes(16), b"a" + bytes(15), b"\0" * 15 + b"a"]
    with VectorStore(tmp_path / "v.sqlite") as store:
        store.put_many(np.array(odd, KEY_DTYPE), np.eye(3))  # numpy hands them out without their zeros
        assert np.array_equal(read(store, np.array(odd, KEY_DTYPE)), np.eye(3))
        assert len(store.missing(np.array(odd, KEY_DTYPE))) == 0
        assert list(store.keys()) == odd


def test_keep_only(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    with VectorStore(path) as store:
        store.put_many(list(keys(*range(100))), np.eye(100))
        reader = VectorStore(path, read_only=True)
        identity, before = store.identity, store.records()
        (tmp_path / f"v.{'0' * 16}.rows").touch()  # of a process that was killed
        (tmp_path / "v.txt.rows").touch()
        assert store.keep_only(list(keys(5, 7, 1000))) == 98
        assert list(store.keys()) == key_bytes(keys(5, 7))
        assert np.array_equal(read(store, keys(5, 7)), np.eye(100)[[5, 7]])
        assert store.identity != identity
        assert sorted(path.name for path in tmp_path.glob("*.rows")) == [f"v.{store.identity}.rows", "v.txt.rows"]
        for records in (before, reader.records()):
            assert np.array_equal(widen(records), np.eye(100)), "whoever reads keeps what it has opened"
        assert reader.rows_of(keys(7)).tolist() == [7]
        reader.close()
        assert store.keep_only(list(keys(5, 7))) == 0
        store.put_many(list(keys("x")), np.eye(100)[:1])
        assert store.rows_of(keys("x")).tolist() == [2]


def fail_after(commits: bool, error: BaseException) -> Callable[..., AbstractContextManager[None]]:
    """As `transaction`, with `error` in its end: behind the commit, or as that fails."""

    @contextmanager
    def failing(database: sqlite3.Connection) -> Iterator[None]:
        with transaction(database):
            yield
            if not commits:
                raise error
        raise error

    return failing


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
@pytest.mark.parametrize("at", ["writing", "committing"])
def test_compacting_that_fails_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, at: str
) -> None:
    """It is what frees a full disk."""
    with VectorStore(tmp_path / "v.sqlite") as store:
        store.put_many(list(keys(*range(9))), np.eye(9))
        before = sorted(tmp_path.glob("*.rows"))
        with monkeypatch.context() as patch:
            if at == "writing":
                patch.setattr("os.pwrite", lambda *_: (_ for _ in ()).throw(error))
            else:
                patch.setattr("codeseek.stores.vectors.transaction", fail_after(False, error))
            with pytest.raises((FileError, KeyboardInterrupt)):
                store.keep_only(list(keys(1)))
        assert sorted(tmp_path.glob("*.rows")) == before
        assert np.array_equal(read(store, keys(*range(9))), np.eye(9))
        assert store.keep_only(list(keys(1))) == 8


def test_ctrl_c_behind_the_commit_keeps_the_new_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VectorStore(tmp_path / "v.sqlite") as store:
        store.put_many(list(keys(*range(9))), np.eye(9))
        with monkeypatch.context() as patch:
            patch.setattr("codeseek.stores.vectors.transaction", fail_after(True, KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                store.keep_only(list(keys(1)))
        assert np.array_equal(read(store, keys(1)), np.eye(9)[[1]])


def test_damaged_vectors_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    with VectorStore(path) as store:
        store.put_many(list(keys(*range(9))), np.eye(9))
        assert store.drop_damaged() == 0
        (rows,) = tmp_path.glob("*.rows")
        data = bytearray(rows.read_bytes())
        data[4 * 13 + 4] ^= 1
        rows.write_bytes(data)
        assert find_damaged_rows(store.records()).tolist() == [4]
        assert store.drop_damaged() == 1
        assert store.missing(keys(*range(9))).tolist() == keys(4).tolist()
        assert np.array_equal(read(store, keys(*range(5, 9))), np.eye(9)[5:])


def test_rows_of_another_length_are_damage(tmp_path: Path) -> None:
    """Else they would be read as other vectors."""
    path = tmp_path / "v.sqlite"
    with VectorStore(path) as store:
        store.put_many(list(keys(*range(9))), np.eye(9))
    for dimension, message in ((8, "are not of 8 numbers"), ("x", "holds vectors of 'x'"), (-1, "holds vectors of -1")):
        connection = connect_writer(path)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'dimension'", (dimension,))
        connection.close()
        for read_only in (False, True):
            with pytest.raises(IndexDamaged, match=message):
                VectorStore(path, read_only=read_only)


def fill(path: Path, start: int) -> None:
    with VectorStore(path) as store:
        for at in range(start, start + 100, 10):
            store.put_many(list(keys(*range(at, at + 10))), np.ones((10, 4)))


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=fill, args=(path, start)) for start in (0, 50)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    with VectorStore(path) as store:
        assert len(store) == 150


def test_another_process_that_makes_the_store_is_waited_for(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "v.sqlite", timeout=0, isolation_level=None)  # 0: refused at once
    other = sqlite3.connect(tmp_path / "v.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(0.2, other.rollback)
    timer.start()
    switch_to_wal(connection)
    timer.join()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    other.close()


def test_refusals(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    connection = connect_writer(other)
    connection.execute("CREATE TABLE x (y)")
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(IndexDamaged, match="not a vector store"):
        VectorStore(other)
    path = tmp_path / "newer.sqlite"
    VectorStore(path).close()
    connection = connect_writer(path)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(IndexFormat, match="format 7, this version reads 2") as caught:
        VectorStore(path)
    assert str(path) in caught.value.hint


def test_vectors_of_several_lengths_are_damage(tmp_path: Path) -> None:
    with VectorStore(tmp_path / "v.sqlite") as store:
        store.put_many(list(keys(1)), np.ones((1, 4)))
        with pytest.raises(IndexDamaged, match="vectors of 4 numbers, not 5"):
            store.put_many(list(keys(2)), np.ones((1, 5)))


def test_the_files_are_private() -> None:
    with open_vectors("some/encoder") as store:
        store.put_many(list(keys(1)), np.ones((1, 4)))
        files = list(store.path.parent.iterdir())
        assert any(path.suffix == ".rows" for path in files)
        assert all(path.stat().st_mode & 0o077 == 0 for path in [store.path.parent, *files])
