"""Full disks, folders that cannot be written or read, and permissions lost in the middle."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.hazards import NAME, NOBODY, check_as_from_scratch, find_answers, function, in_child
from fakes.word_encoder import WordEncoder

import codeseek.fill
from codeseek.build import build_index
from codeseek.errors import FileError, IndexMissing
from codeseek.paths import index_dir, indexes_dir
from codeseek.stores.snapshot import open_index
from codeseek.verify import verify_index


def add_functions(root: Path, count: int = 60) -> None:
    (root / "src/many.py").write_text("\n\n".join(function(f"compute_number_{number}") for number in range(count)))


def fails(root: Path, stage: str) -> tuple[str, str]:
    """The message and the hint of a build whose files cannot grow any more from a stage on."""
    write_generation = codeseek.fill.write_generation

    def limit(reached: str, *_: object) -> None:
        if reached == stage:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))

    def limit_generation(*arguments: object, **options: object) -> None:
        limit("generation")
        write_generation(*arguments, **options)

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    codeseek.fill.write_generation = limit_generation  # in a child process, which ends with this
    try:
        build_index(root, WordEncoder(), progress=limit)
    except FileError as error:
        return str(error), error.hint
    return "", ""


@pytest.mark.parametrize(
    ("stage", "place"), [("walk", "catalogue.sqlite"), ("encode", "vectors/"), ("generation", "dense/")]
)
def test_a_disk_that_is_full_from_a_stage_on(root: Path, stage: str, place: str) -> None:
    """A limit on the size of files fails writes as a full disk does: of the catalogue, the vectors, a generation."""
    add_functions(root)
    message, hint = in_child(lambda: fails(root, stage))
    assert message.startswith(("cannot write ", "cannot read or write "))
    assert place in message
    assert hint.startswith("free space")
    if stage != "walk":
        assert verify_index(root, NAME) == []
        assert find_answers(root)[-1][0] == 64  # the catalogue was complete, and answers by words
    check_as_from_scratch(root)


def test_a_full_disk_keeps_the_index_that_was_there(root: Path) -> None:
    build_index(root, WordEncoder())
    before = find_answers(root)
    add_functions(root)
    assert in_child(lambda: fails(root, "walk"))[1]
    assert verify_index(root, NAME) == []
    assert find_answers(root) == before
    check_as_from_scratch(root)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user cannot mount a file system; a limit on the size of files stands for it elsewhere")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_really_full(root: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODESEEK_CACHE_DIR", str(small_disk / "cache"))
    build_index(root, WordEncoder())
    before = find_answers(root)
    (small_disk / "other").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize))
    add_functions(root, 400)
    with pytest.raises(FileError) as caught:
        build_index(root, WordEncoder())
    assert caught.value.hint
    (small_disk / "other").unlink()
    assert verify_index(root, NAME) == []
    assert find_answers(root) == before
    (root / "src/many.py").unlink()
    check_as_from_scratch(root)


# ---------------------------------------------------------------------------------------------------------- permissions


def closed(folder: Path) -> None:
    """Takes the right to write from a folder and all below it."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            os.chmod(os.path.join(parent, name), 0o400)
        os.chmod(parent, 0o500)


def opened(folder: Path) -> None:
    os.chmod(folder, 0o700)
    for parent, folders, files in os.walk(folder):
        for name in folders:
            os.chmod(os.path.join(parent, name), 0o700)
        for name in files:
            os.chmod(os.path.join(parent, name), 0o600)


def test_a_cache_that_cannot_be_written_is_searched_and_not_changed(open_folder: Path) -> None:
    root, cache = open_folder / "repository", open_folder / "cache"

    def attempt() -> tuple[bool, str, str]:
        build_index(root, WordEncoder())
        before = find_answers(root)
        closed(cache)
        assert not os.access(cache, os.W_OK), "this user writes everywhere, so that the test would show nothing"
        assert verify_index(root, NAME) == []
        (root / "src/new.py").write_text(function("brand_new"))
        try:
            build_index(root, WordEncoder())
        except FileError as error:
            return find_answers(root) == before, str(error), error.hint
        return False, "", ""

    same, message, hint = in_child(attempt, NOBODY)
    assert same
    assert message.startswith("cannot open the lock ")
    assert "CODESEEK_CACHE_DIR=DIR" in hint


@pytest.mark.parametrize("stage", ["walk", "encode", "graph"])
def test_a_cache_that_becomes_read_only_in_the_middle(open_folder: Path, stage: str) -> None:
    root, cache = open_folder / "repository", open_folder / "cache"

    hints: list[str] = []

    def attempt() -> str:
        def close(reached: str, done: int, total: int) -> None:
            if reached == stage:
                closed(cache)

        try:
            build_index(root, WordEncoder(), progress=close)
        except FileError as error:
            hints.append(error.hint)
        try:
            assert verify_index(root, NAME) == []
            with open_index(root, NAME) as index:
                assert len(index) in (0, 4)
        except IndexMissing:
            assert stage == "walk"
        opened(cache)
        check_as_from_scratch(root)
        return "survived" if all(hints) else "without a remedy"

    assert in_child(attempt, NOBODY) == "survived"


def test_files_that_cannot_be_read_any_more_come_back_without_encoding(open_folder: Path) -> None:
    root = open_folder / "repository"

    def attempt() -> tuple[int, int, int, str]:
        build_index(root, WordEncoder())
        (root / "src").chmod(0)
        without = build_index(root, WordEncoder())
        (root / "src").chmod(0o700)
        again = build_index(root, WordEncoder())
        check_as_from_scratch(root)
        return without.files, again.files, again.encoded, str(without.skipped)

    files, again, encoded, skipped = in_child(attempt, NOBODY)
    assert (files, again, encoded) == (1, 3, 0)
    assert "unreadable" in skipped


def test_a_root_that_cannot_be_read_loses_nothing(open_folder: Path) -> None:
    root = open_folder / "repository"

    def attempt() -> tuple[str, str, bool]:
        build_index(root, WordEncoder())
        before = find_answers(root)
        root.chmod(0o300)
        try:
            build_index(root, WordEncoder())
        except FileError as error:
            return str(error), error.hint, find_answers(root) == before
        return "", "", False

    message, hint, same = in_child(attempt, NOBODY)
    assert message.startswith(f"cannot read the folder {root}: ")
    assert hint == "fix its permissions"
    assert same


# -------------------------------------------------------------------------------------------------------------- privacy


def test_cache_is_private_under_any_umask(root: Path) -> None:
    before = os.umask(0)
    try:
        build_index(root, WordEncoder())
    finally:
        os.umask(before)
    cache = indexes_dir().parent
    modes = {path: path.stat().st_mode & 0o777 for path in cache.rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    files = {path.name: mode for path, mode in modes.items() if path.is_file()}
    assert {"catalogue.sqlite", "lock", "manifest.json", "rows.npy"} < files.keys()
    assert {name for name, mode in files.items() if mode != 0o600} == set()


def test_a_folder_that_others_may_write_in_is_closed(root: Path) -> None:
    cache = indexes_dir().parent
    for folder in (cache, cache / "indexes", cache / "vectors", index_dir(root)):
        folder.mkdir()
        folder.chmod(0o777)
    build_index(root, WordEncoder())
    assert {folder.stat().st_mode & 0o777 for folder in (cache / "indexes", cache / "vectors", index_dir(root))} == {
        0o700
    }
    assert cache.stat().st_mode & 0o777 == 0o777  # the user's own choice, perhaps /tmp


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_another_user_is_refused(root: Path) -> None:
    build_index(root, WordEncoder())
    for folder in (indexes_dir(), index_dir(root)):
        os.chown(folder, NOBODY, NOBODY)
        for attempt in (lambda: build_index(root, WordEncoder()), lambda: open_index(root, NAME).close()):
            with pytest.raises(FileError, match=rf"refused the folder {folder}: .* \(uid {NOBODY}\)") as caught:
                attempt()
            assert "CODESEEK_CACHE_DIR=DIR" in caught.value.hint
        os.chown(folder, 0, 0)
    assert find_answers(root)
