"""Clocks that jump, files that move while they are read, odd places, and readers beside a writer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from fakes.hazards import NAME, check_as_from_scratch, find_answers, function, write_files
from fakes.word_encoder import WordEncoder

import codeseek.update
from codeseek.build import build_index
from codeseek.errors import IndexMissing
from codeseek.files import read_file, walk
from codeseek.paths import cache_dir
from codeseek.stores import segments
from codeseek.stores.snapshot import open_index
from codeseek.types import Skipped, SkipReason, SourceFile
from codeseek.verify import verify_index

DAY_NS = 86_400 * 10**9
CODE = b"def f():\n    return 1\n"


# --------------------------------------------------------------------------------------------------------------- clocks


def test_an_edit_of_a_file_from_the_future_is_seen(root: Path) -> None:
    path = root / "src/http.py"
    future_ns = time.time_ns() + 10_000 * DAY_NS
    os.utime(path, ns=(future_ns, future_ns))
    build_index(root, WordEncoder())
    path.write_text(path.read_text().replace("parse_header", "parse_footer"))
    os.utime(path, ns=(future_ns, future_ns))  # the same size and time as before
    assert build_index(root, WordEncoder()).updated_files == 1
    assert find_answers(root)[0][0][2] == "parse_footer"
    check_as_from_scratch(root)


@pytest.mark.parametrize("days", [-400, 400])
def test_an_edit_is_seen_though_the_clock_jumped(root: Path, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Between the builds, and so that the first takes a file that was just written for an old one, or one to come."""
    path = root / "src/http.py"
    real = time.time_ns
    with monkeypatch.context() as patch:
        patch.setattr(codeseek.update.time, "time_ns", lambda: real() + days * DAY_NS)
        build_index(root, WordEncoder())
    status = path.stat()
    time.sleep(0.02)  # the resolution of the times of files
    path.write_text(path.read_text().replace("parse_header", "parse_footer"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert build_index(root, WordEncoder()).updated_files == 1
    check_as_from_scratch(root)


# ------------------------------------------------------------------------------------------------- files under our feet


def test_files_that_change_grow_and_vanish_while_they_are_read(root: Path) -> None:
    stop = threading.Event()

    def disturb() -> None:
        turn = 0
        while not stop.wait(0.0005):
            turn += 1
            path = root / "src" / f"moving_{turn % 3}.py"
            if path.is_fifo() or turn % 7 == 0:
                path.unlink(missing_ok=True)
            elif not path.exists() and turn % 2:
                os.mkfifo(path)
            elif turn % 5 == 0 and path.exists():
                os.truncate(path, 10)
            else:
                with path.open("a") as file:
                    file.write(function(f"version_{turn}") * (turn % 20))

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(4):
            build_index(root, WordEncoder())
            assert verify_index(root, NAME) == []
    finally:
        stop.set()
        thread.join()
    check_as_from_scratch(root)


def test_a_folder_that_became_a_link_to_elsewhere_is_not_read(root: Path, tmp_path: Path) -> None:
    """Between the walk and the reading, as whoever may write in the repository can arrange."""
    found = {entry.path: entry for entry in walk(root) if isinstance(entry, SourceFile)}
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/http.py").write_bytes(CODE)
    (root / "src").rename(root / "old")
    (root / "src").symlink_to(tmp_path / "secret")
    result = read_file(found["src/http.py"])
    assert isinstance(result, Skipped)
    assert result.reason is SkipReason.UNREADABLE
    assert isinstance(read_file(found["notes.md"]), bytes)


def test_a_file_of_ten_gigabytes_costs_nothing(root: Path) -> None:
    build_index(root, WordEncoder())
    small = next(entry for entry in walk(root) if entry.path == "notes.md")
    os.truncate(root / "notes.md", 10 << 30)
    tracemalloc.start()
    started = time.process_time()
    try:
        late = read_file(small)  # it was small when the walk saw it
        report = build_index(root, WordEncoder())
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(late, Skipped)
    assert late.reason is SkipReason.TOO_LARGE
    assert [(skipped.path, skipped.reason) for skipped in report.skipped] == [("notes.md", SkipReason.TOO_LARGE)]
    assert report.removed_files == 1
    assert peak_bytes < 32 << 20
    assert time.process_time() - started < 5


def test_devices_and_sockets_are_left_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.py")
    expected = {"socket.py", "pipe.py"}
    os.mkfifo("pipe.py")
    if os.geteuid() == 0:
        try:
            os.mknod("zero.py", 0o20666, os.makedev(1, 5))
            expected.add("zero.py")
        except OSError:
            pass  # a container may forbid it
    skipped = [entry for entry in walk(root) if isinstance(entry, Skipped)]
    assert {(entry.path, entry.reason) for entry in skipped} == {(name, SkipReason.SPECIAL) for name in expected}


def test_loops_and_links_out_end(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.py").write_text(function("secret_of_another"))
    for name, target in (("loop", "."), ("up", "../.."), ("out", str(tmp_path / "outside")), ("a", "b"), ("b", "a")):
        (root / "src" / name).symlink_to(target)
    (root / "src/secret.py").symlink_to(tmp_path / "outside/secret.py")
    report = build_index(root, WordEncoder())
    assert report.files == 3
    reasons = {entry.path: entry.reason for entry in report.skipped}
    assert reasons["src/out"] == reasons["src/secret.py"] == reasons["src/up"] == SkipReason.OUTSIDE_ROOT
    assert not any("secret_of_another" in str(found) for found in find_answers(root))


def test_a_link_out_to_an_odd_name_is_found_unchanged(root: Path) -> None:
    (root / "out").symlink_to(os.fsdecode(b"/nowhere/caf\xe9"))
    build_index(root, WordEncoder())
    with open_index(root, NAME) as index:
        assert index.skipped() == [entry for entry in walk(root) if isinstance(entry, Skipped)]
        assert len(index.skipped()) == 1


# ----------------------------------------------------------------------------------------------------------- odd places

ODD_NAMES = [b"with space", b"new\nline", b"caf\xe9 \xff", b"a?b#c%41&d", b"-rf", b"\x1b[31mred", "naïve 中".encode()]


def test_repositories_and_caches_of_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ODD_NAMES:
        monkeypatch.setenv("CODESEEK_CACHE_DIR", os.fsdecode(os.fsencode(tmp_path) + b"/cache of " + name))
        root = write_files(tmp_path / os.fsdecode(name))
        report = build_index(root, WordEncoder())
        assert report.vectors == report.chunks == 4
        assert verify_index(root, NAME) == []
        assert find_answers(root)[0][0][2] == "parse_header"
        assert cache_dir().is_dir()


def test_commands_name_an_odd_root_without_obeying_it(tmp_path: Path) -> None:
    root = write_files(tmp_path / os.fsdecode(b"caf\xe9\n\x1b[31m red"))
    build_index(root, WordEncoder())
    environment = {**os.environ, "PYTHONPATH": str(Path(codeseek.__file__).parents[1]), "LC_ALL": "C"}
    for arguments in (["clean", "--list"], ["status", "--format", "json"]):
        command = [sys.executable, "-m", "codeseek", *arguments]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert b"\x1b" not in done.stdout + done.stderr
        if "json" in arguments:
            assert os.fsencode(json.loads(done.stdout)["root"]) == os.fsencode(root)
        else:
            assert rb"caf\xe9\x0a\x1b[31m red" in done.stdout


def test_a_cache_inside_the_repository_is_not_indexed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODESEEK_CACHE_DIR", str(root / ".cache" / "mine"))
    reports = [build_index(root, WordEncoder()) for _ in range(2)]
    assert [(report.files, report.updated_files) for report in reports] == [(3, 3), (3, 0)]


# -------------------------------------------------------------------------------------------------- readers and writers


def test_searches_during_builds_see_whole_states(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file holds two functions of one version, committed together, so no search may see two versions of a file."""
    monkeypatch.setattr(codeseek.update, "COMMIT_CHUNKS", 4)
    monkeypatch.setattr(segments, "MERGE_RUN", 2)
    failures: list[BaseException] = []
    stop = threading.Event()

    def build() -> None:
        try:
            for version in range(6):
                for number in range(6):
                    text = function(f"first_{version}") + "\n\n" + function(f"second_{version}")
                    (root / f"src/f{number}.py").write_text(text)
                build_index(root, WordEncoder())
        except BaseException as error:
            failures.append(error)
        finally:
            stop.set()

    thread = threading.Thread(target=build)
    thread.start()
    states = 0
    try:
        while not stop.wait(0.002):  # lets the other thread run
            try:
                with open_index(root, NAME) as index:
                    chunks = index.chunks(index.numbers)
                    index.dense.search(WordEncoder().encode_queries(["first"])[0], 5)
            except IndexMissing:
                continue
            states += 1
            versions: dict[str, list[str]] = {}
            for chunk in chunks:
                versions.setdefault(chunk.path, []).append(chunk.name)
            for path, names in versions.items():
                if path.startswith("src/f") and path != "src/files.py":
                    assert names == [names[0], names[0].replace("first", "second")]
    finally:
        thread.join()
    assert not failures
    assert states > 3
    check_as_from_scratch(root)
