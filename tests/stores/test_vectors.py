import hashlib
import multiprocessing
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from codeseek.errors import IndexDamaged, IndexFormat
from codeseek.stores.sqlite import connect_writer, switch_to_wal
from codeseek.stores.vectors import KEY_DTYPE, VectorStore, open_vectors


def keys(*names: object) -> np.ndarray:
    return np.array([hashlib.blake2b(str(name).encode(), digest_size=16).digest() for name in names], KEY_DTYPE)


def test_saved_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    vectors = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float16)
    with VectorStore(path) as store:
        store.put_many(list(keys(1, 2, 3)), vectors)
        store.put_many(list(keys(2)), -vectors[:1])  # whoever comes first
    with VectorStore(path) as store:
        found, read = store.get_many(keys(3, 9, 1, 2))
        assert found.tolist() == [True, False, True, True]
        assert np.array_equal(read, vectors[[2, 0, 1]])
        assert len(store) == 3
        assert store.missing(keys(7, 1, 8)).tolist() == keys(7, 8).tolist()
        assert store.get_many(keys(9))[1].size == 0


def test_keys_that_end_in_zeros(tmp_path: Path) -> None:
    odd = [bytes(16), b"a" + bytes(15), b"\0" * 15 + b"a"]
    with VectorStore(tmp_path / "v.sqlite") as store:
        store.put_many(odd, np.eye(3))
        found, read = store.get_many(np.array(odd, KEY_DTYPE))
        assert found.all()
        assert np.array_equal(read, np.eye(3))
        assert len(store.missing(np.array(odd, KEY_DTYPE))) == 0


def test_keep_only(tmp_path: Path) -> None:
    with VectorStore(tmp_path / "v.sqlite") as store:
        store.put_many(list(keys(*range(100))), np.ones((100, 4)))
        assert store.keep_only(list(keys(5, 7, 1000))) == 98
        assert sorted(store.keys()) == sorted(key.ljust(16, b"\0") for key in keys(5, 7))


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
    with pytest.raises(IndexFormat, match="format 7, this version reads 1") as caught:
        VectorStore(path)
    assert str(path) in caught.value.hint


def test_vectors_of_several_lengths_are_damage(tmp_path: Path) -> None:
    with VectorStore(tmp_path / "v.sqlite") as store:
        store.put_many(list(keys(1)), np.ones((1, 4)))
        store.put_many(list(keys(2)), np.ones((1, 5)))
        with pytest.raises(IndexDamaged, match="several lengths"):
            store.get_many(keys(1, 2))


def test_the_file_is_private() -> None:
    with open_vectors("some/encoder") as store:
        assert store.path.stat().st_mode & 0o077 == 0
        assert store.path.parent.stat().st_mode & 0o077 == 0
