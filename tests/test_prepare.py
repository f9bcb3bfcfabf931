import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from fakes.hazards import other_cache
from fakes.small_repository import function, write_repository

import codeseek.prepare as prepare
from codeseek.build import build_index
from codeseek.files import walk
from codeseek.paths import CATALOGUE_NAME, index_dir
from codeseek.prepare import Job, Prepared, prepare_file, prepare_files, process_count
from codeseek.stores.sqlite import connect_reader
from codeseek.types import Skipped, SkipReason


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Some hundred files in several batches, one of them not to be read."""
    root = write_repository(tmp_path / "repository")
    for number in range(100):
        (root / f"src/part_{number:03d}.py").write_text(function(f"part_{number}") + "\n\n" + function("close_part"))
    (root / "src/binary.py").write_bytes(b"\0" * 100)
    return root


@pytest.fixture
def jobs(root: Path) -> list[Job]:
    found = sorted((entry for entry in walk(root) if not isinstance(entry, Skipped)), key=lambda file: file.path)
    return [Job(file, None) for file in found]


@pytest.fixture(autouse=True)
def everything_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "MIN_BYTES", 0)
    monkeypatch.setenv("PYTHONPATH", str(Path(prepare.__file__).parents[1]))  # where it is not installed


def rows_of(prepared: Prepared | Skipped) -> object:
    if isinstance(prepared, Skipped) or prepared.segment is None:
        return prepared
    return prepared.content_hash, prepared.language, prepared.segment.rows, prepared.segment.keys


def prepared_by(jobs: list[Job], processes: int) -> list[object]:
    with closing(prepare_files(jobs, 1 << 20, processes)) as files:
        return [rows_of(file) for file in files]


def catalogue_of(root: Path) -> list[tuple]:
    database = connect_reader(index_dir(root) / CATALOGUE_NAME)
    try:
        return [
            row
            for table in ("chunks", "postings", "segments", "skipped")
            for row in database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
        ]
    finally:
        database.close()


@pytest.mark.parametrize("processes", [2, 5])
def test_several_processes_write_the_index_that_one_writes(root: Path, tmp_path: Path, processes: int) -> None:
    catalogues = []
    for count in (1, processes):
        with other_cache(tmp_path / f"cache-{count}"):
            build_index(root, None, vectors=False, processes=count)
            catalogues.append(catalogue_of(root))
    assert len(catalogues[0]) > 300
    assert catalogues[0] == catalogues[1]


def test_a_file_that_cannot_be_read_comes_back_with_its_reason(jobs: list[Job]) -> None:
    skipped = [file for file in prepared_by(jobs, 2) if isinstance(file, Skipped)]
    assert [(file.path, file.reason) for file in skipped] == [("src/binary.py", SkipReason.BINARY)]


def test_a_known_content_is_not_cut_again(jobs: list[Job]) -> None:
    first = prepare_file(jobs[-1], 1 << 20)
    assert isinstance(first, Prepared)
    assert first.segment is not None
    again = prepare_file(Job(jobs[-1].source, first.content_hash), 1 << 20)
    assert again == Prepared(first.content_hash)


@pytest.mark.parametrize(
    "dying",
    [
        "pass",
        "import sys; sys.stdin.buffer.read(3)",
        "import sys; sys.stdin.buffer.read(20); sys.stdout.buffer.write(bytes([99, 0, 0, 0, 0, 0, 0, 0, 1]))",
    ],
)
def test_what_a_process_that_died_leaves_is_done_here(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, dying: str
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = prepare._start

    def start() -> subprocess.Popen[bytes] | None:
        if not started:
            pipe = subprocess.PIPE
            started.append(subprocess.Popen([sys.executable, "-c", dying], stdin=pipe, stdout=pipe))
            return started[0]
        return real()

    monkeypatch.setattr(prepare, "_start", start)
    assert prepared_by(jobs, 2) == prepared_by(jobs, 1)
    assert started[0].returncode is not None


def test_without_processes_the_work_is_done_here(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = prepared_by(jobs, 1)
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert prepared_by(jobs, 3) == expected


def test_closing_early_leaves_no_process(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    real = prepare._start
    monkeypatch.setattr(prepare, "_start", lambda: started.append(real()) or started[-1])
    with closing(prepare_files(jobs, 1 << 20, 2)) as files:
        next(files)
    assert [process.poll() is not None for process in started] == [True, True]


def test_processes_end_when_whoever_started_them_is_killed(tmp_path: Path) -> None:
    script = (
        "import time, codeseek.prepare as p\n"
        "workers = [p._start(), p._start()]\n"
        "print(*(worker.pid for worker in workers), flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(word) for word in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while any(_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [_alive(pid) for pid in workers] == [False, False]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    except PermissionError:  # another process has the number now
        return False


def test_a_hostile_working_folder_is_not_on_the_path(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name in ("codeseek", "pickle", "hashlib", "numpy", "sitecustomize"):
        (hostile / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(3)\n")
    monkeypatch.chdir(hostile)
    monkeypatch.setattr(prepare, "prepare_file", lambda job, limit: pytest.fail("the processes did not answer"))
    assert len(prepared_by(jobs, 2)) == len(jobs)
    assert not (tmp_path / "ran").exists()


def test_the_number_of_processes_follows_cpus_and_memory() -> None:
    assert process_count(256 << 20) == 1
    assert 1 <= process_count(4 << 30) <= prepare.MAX_PROCESSES
    assert process_count(4 << 30) <= (os.cpu_count() or 1)
