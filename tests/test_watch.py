import gc
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fakes.word_encoder import WordEncoder
from watchfiles import _rust_notify

import codeseek.watch
from codeseek.build import build_index
from codeseek.errors import FileError
from codeseek.files import walk
from codeseek.ignore import Rules
from codeseek.stores.snapshot import open_index
from codeseek.types import SourceFile
from codeseek.watch import FileChanges, follow_changes, iter_folders

LONG_S = 30.0  # no test waits this long unless it fails


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "src").mkdir(parents=True)
    (folder / "node_modules" / "left").mkdir(parents=True)
    (folder / ".git" / "info").mkdir(parents=True)
    (folder / ".gitignore").write_text("node_modules/\n*.log\n")
    (folder / "src" / "a.py").write_text("def a():\n    return 1\n")
    return folder.resolve()


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codeseek.watch, "SETTLE_S", 0.05)
    monkeypatch.setattr(codeseek.watch, "COMPARE_S", LONG_S)
    monkeypatch.delenv(codeseek.watch.POLLING_VARIABLE, raising=False)


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The paths watched by each notifier that was opened."""
    opened: list[list[str]] = []

    def open_notifier(paths: list[str], *options: Any) -> Any:
        opened.append(paths)
        return made(paths, *options)

    made = _rust_notify.RustNotify
    monkeypatch.setattr(_rust_notify, "RustNotify", open_notifier)
    return opened


# ----------------------------------------------------------------------------------------------------------- the loop


class Script:
    """`Changes` that happen one after the other, at once."""

    def __init__(self, *steps: Callable[[], Any]) -> None:
        self._steps = iter(steps)
        self.waited: list[float] = []

    def wait(self, compare_s: float) -> None:
        self.waited.append(compare_s)
        next(self._steps, lambda: None)()

    def drain(self) -> None:
        pass


def test_each_update_does_what_changed(root: Path) -> None:
    encoder = WordEncoder()
    build = partial(build_index, root, encoder)
    build()
    script = Script(
        lambda: (root / "src" / "b.py").write_text("def b():\n    return 2\n"),
        lambda: None,
        lambda: (root / "src" / "a.py").unlink(),
    )
    reports = follow_changes(root, build, script)
    did = [(report.updated_files, report.removed_files, report.encoded) for report, _ in zip(reports, range(3))]  # noqa: B905
    assert did == [(1, 0, 1), (0, 0, 0), (0, 1, 0)]
    assert script.waited[0] == 0
    assert min(script.waited[1:]) > 0
    with open_index(root, encoder.name) as index:
        assert sorted(index.paths) == [".gitignore", "src/b.py"]


def test_the_end_of_the_root_ends_it(root: Path) -> None:
    reports = follow_changes(root, lambda: pytest.fail("built"), Script(lambda: shutil.rmtree(root)))
    with pytest.raises(FileError, match="any longer: the folder is gone"):
        next(reports)


def test_a_root_that_goes_during_an_update_is_no_other_error(root: Path) -> None:
    def build() -> None:
        shutil.rmtree(root)
        raise FileError("cannot read the folder")

    with pytest.raises(FileError, match="the folder is gone"):
        next(follow_changes(root, build, Script()))


def test_an_error_of_an_update_is_not_hidden(root: Path) -> None:
    def build() -> None:
        raise FileError("no space left")

    with pytest.raises(FileError, match="no space left"):
        next(follow_changes(root, build, Script()))


# --------------------------------------------------------------------------------------------------------- the folders


def test_folders_are_those_of_the_walk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("empty", "deep/er/est", "deep/vendor", "src/.git", "cache/indexes", "deep/kept.log"):
        (root / folder).mkdir(parents=True)
    (root / "deep" / ".gitignore").write_text("vendor\n!kept.log\n")
    (root / "loop").symlink_to(root)
    (root / "out").symlink_to(root.parent)
    monkeypatch.setenv("CODESEEK_CACHE_DIR", str(root / "cache"))
    found = [os.path.relpath(folder, root) for folder in iter_folders(root)]
    assert sorted(found) == [".", "deep", "deep/er", "deep/er/est", "deep/kept.log", "empty", "src"]
    for folder in found:
        (root / folder / "x.py").write_text("x = 1\n")
    files = {os.path.dirname(file.path) or "." for file in walk(root) if isinstance(file, SourceFile)}
    assert files == set(found)


def test_the_root_is_watched_even_where_it_is_not_read(tmp_path: Path) -> None:
    assert list(iter_folders(tmp_path / "gone")) == [str(tmp_path / "gone")]
    assert next(iter_folders(Path("/"))) == "/"


# ---------------------------------------------------------------------------------------------------------- the events


@pytest.fixture(params=[True, False], ids=["by folder", "recursive"])
def changes(request: pytest.FixtureRequest, root: Path) -> Iterator[FileChanges]:
    with closing(FileChanges(root, by_folder=request.param)) as opened:
        assert opened.trouble is None
        yield opened


def woken_by(changes: FileChanges, act: Callable[[], Any]) -> bool:
    """Whether what `act` does ends a wait, and not the clock."""
    start = time.monotonic()
    act()
    changes.wait(0)
    return time.monotonic() - start < LONG_S / 2


def test_changes_of_every_kind_are_told(changes: FileChanges, root: Path) -> None:
    file = root / "src" / "a.py"
    assert woken_by(changes, lambda: file.write_text("def a():\n    return 3\n"))
    assert woken_by(changes, lambda: file.rename(root / "moved.py"))
    assert woken_by(changes, lambda: (root / "new" / "folder").mkdir(parents=True))
    assert woken_by(changes, lambda: (root / "new" / "folder" / "b.py").write_text("b = 1\n"))
    shutil.rmtree(root / "new")
    (root / "new").mkdir()
    changes.wait(0)
    assert woken_by(changes, lambda: (root / "new" / "c\n.py").write_text("c = 1\n"))
    assert woken_by(changes, lambda: (root / "new" / "c\n.py").unlink())


def test_a_root_that_moves_away_is_told(changes: FileChanges, root: Path) -> None:
    assert woken_by(changes, lambda: root.rename(root.parent / "elsewhere"))


def test_what_cannot_matter_is_not_told(changes: FileChanges, root: Path) -> None:
    written = threading.Event()

    def act() -> None:
        (root / "node_modules" / "left" / "pad.js").write_text("1")
        (root / ".git" / "index.lock").write_text("1")
        (root / "src" / "server.log").write_text("1")
        time.sleep(0.4)
        written.set()
        (root / "src" / "b.py").write_text("b = 1\n")

    with closing_thread(act):
        changes.wait(0)
        assert written.is_set()


def closing_thread(act: Callable[[], None]) -> closing:
    """`act` in a thread that has ended behind the block."""
    thread = threading.Thread(target=act)
    thread.close = thread.join  # type: ignore[attr-defined]
    thread.start()
    return closing(thread)  # type: ignore[type-var]


def test_rules_that_change_open_a_folder(changes: FileChanges, root: Path) -> None:
    assert woken_by(
        changes, lambda: (root / ".gitignore").write_text(".*\n")
    )  # ignores itself, and counts all the same
    assert woken_by(changes, lambda: (root / ".gitignore").write_text("*.log\n"))
    assert woken_by(changes, lambda: (root / "node_modules" / "left" / "pad.js").write_text("1"))


def test_rules_of_each_folder_hold_in_it(root: Path) -> None:
    for name in ("one", "two"):
        (root / name).mkdir()
        (root / name / ".gitignore").write_text(f"{name}.py\n")
    with closing(FileChanges(root)) as changes:
        for name, other in (("one", "two"), ("two", "one"), ("one", "two")):
            assert not changes._matters(str(root / name / f"{name}.py"))
            assert not changes._matters(str(root / name / "x.log")), "by the rules above it"
            assert changes._matters(str(root / name / f"{other}.py"))
        assert changes._matters(str(root / "one.py"))


def test_rules_of_many_folders_are_not_all_held(root: Path) -> None:
    for number in range(30):
        (root / f"part{number}").mkdir()
        (root / f"part{number}" / ".gitignore").write_text("*.tmp\n")
    gc.collect()
    before = sum(type(found) is Rules for found in gc.get_objects())
    with closing(FileChanges(root)) as changes:
        for number in range(30):
            (root / f"part{number}" / "a.py").write_text("a = 1\n")
        changes.wait(0)
        gc.collect()
        assert sum(type(found) is Rules for found in gc.get_objects()) <= before + 3  # root, part, the user's


def test_a_folder_that_is_ignored_is_not_watched(root: Path, openings: list[list[str]]) -> None:
    with closing(FileChanges(root, by_folder=True)):
        assert openings == [[str(root), str(root / "src")]]


def test_a_name_that_is_not_utf8_is_a_change_like_others(changes: FileChanges, root: Path) -> None:
    if sys.platform == "darwin":
        pytest.skip("the file system of macOS refuses such names")
    name = os.fsencode(root / "src") + b"/\xff.py"
    for text in ("x = 1\n", "x = 2\n"):
        assert woken_by(changes, lambda text=text: Path(os.fsdecode(name)).write_text(text))
        assert woken_by(changes, lambda text=text: (root / "src" / "a.py").write_text(text))


def test_a_change_seen_during_an_update_ends_the_next_wait(
    changes: FileChanges, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codeseek.watch, "DRAIN_S", 0.01)
    (root / "src" / "b.py").write_text("b = 1\n")
    end = time.monotonic() + LONG_S / 2
    while not changes._changed:
        assert time.monotonic() < end
        changes.drain()
    assert woken_by(changes, lambda: None)


def test_a_burst_makes_the_watches_anew(root: Path, openings: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(FileChanges(root)) as changes:
        for limit, wanted in ((100, 1), (1, 2)):
            monkeypatch.setattr(codeseek.watch, "BURST_PATHS", limit)
            assert woken_by(changes, lambda: (root / "b.py").write_text("b = 1\n"))
            assert len(openings) == wanted


def test_a_comparison_comes_without_any_event(
    root: Path, openings: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codeseek.watch, "COMPARE_S", 0.05)
    with closing(FileChanges(root)) as changes:
        changes.wait(0)
        assert len(openings) == 2, "with watches that are made anew"


class Restless:
    """A notifier that tells of a change every ten milliseconds, for as long as a test may fail."""

    def __init__(self, paths: list[str], *_: object) -> None:
        self._path = f"{paths[0]}/a.py"
        self._end = time.monotonic() + LONG_S

    def watch(self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: None) -> set[tuple[int, str]] | str:
        time.sleep(0.01)
        return {(2, self._path)} if time.monotonic() < self._end else "timeout"

    def close(self) -> None:
        pass


def test_changes_that_never_stop_do_not_hold_an_update_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rust_notify, "RustNotify", Restless)
    monkeypatch.setattr(codeseek.watch, "SETTLE_S", LONG_S)
    monkeypatch.setattr(codeseek.watch, "SETTLE_MAX_S", 0.3)
    with closing(FileChanges(root)) as changes:
        start = time.monotonic()
        changes.wait(0)
        assert 0.3 <= time.monotonic() - start < LONG_S / 2


# --------------------------------------------------------------------------------------------------------- the polling


def test_polling_where_the_user_says_so(root: Path, monkeypatch: pytest.MonkeyPatch, openings: list[list[str]]) -> None:
    monkeypatch.setenv(codeseek.watch.POLLING_VARIABLE, "1")
    monkeypatch.setattr(codeseek.watch, "POLL_MIN_S", 0.05)
    with closing(FileChanges(root)) as changes:
        assert str(changes.trouble) == "WATCHFILES_FORCE_POLLING is set"
        assert woken_by(changes, lambda: None)
        changes.drain()
        start = time.monotonic()
        changes.wait(0.01)
        assert time.monotonic() - start >= 0.5, "two hundredths of the time, not more"
    assert openings == []


def test_polling_where_a_drive_tells_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codeseek.watch, "_file_system", lambda path: "nfs4")
    with closing(FileChanges(root)) as changes:
        assert str(changes.trouble) == f"{root} is on nfs4, which tells nothing of changes made elsewhere"
        assert "WATCHFILES_FORCE_POLLING=false" in changes.trouble.hint
    monkeypatch.setenv(codeseek.watch.POLLING_VARIABLE, "false")
    with closing(FileChanges(root)) as changes:
        assert changes.trouble is None


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="only Linux has this list")
def test_the_file_system_of_a_folder(tmp_path: Path) -> None:
    assert codeseek.watch._file_system(Path("/proc/self")) == "proc"
    assert codeseek.watch._file_system(tmp_path) not in ("", "proc")


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (
            OSError("OS file watch limit reached. about []"),
            "there are 2 folders, more than inotify",
            "max_user_watches",
        ),
        (
            _rust_notify.WatchfilesRustInternalError("Too many open files (os error 24)"),
            "too many programs",
            "max_user_instances",
        ),
        (OSError("something else"), "by events: something else", ""),
    ],
)
def test_errors_of_the_library_are_translated(
    error: Exception, message: str, hint: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(_rust_notify, "RustNotify", refuse)
    with closing(FileChanges(root, by_folder=True)) as changes:
        assert message in str(changes.trouble)
        assert hint in changes.trouble.hint


def test_a_folder_whose_name_is_not_utf8_is_polled(root: Path) -> None:
    if sys.platform == "darwin":
        pytest.skip("the file system of macOS refuses such names")
    os.mkdir(os.fsencode(root) + b"/\xff")
    with closing(FileChanges(root, by_folder=True)) as changes:
        assert "not UTF-8" in str(changes.trouble)


def test_folders_that_vanish_are_watched_once_they_stay(
    root: Path, monkeypatch: pytest.MonkeyPatch, openings: list[list[str]]
) -> None:
    monkeypatch.setattr(codeseek.watch, "POLL_MIN_S", 0.05)
    folders = codeseek.watch.iter_folders
    monkeypatch.setattr(codeseek.watch, "iter_folders", lambda root: [*folders(root), str(root / "was")])
    with closing(FileChanges(root, by_folder=True)) as changes:
        assert len(openings) == codeseek.watch.OPEN_TRIES
        assert "folders vanish" in str(changes.trouble)
        monkeypatch.setattr(codeseek.watch, "iter_folders", folders)
        changes.wait(0)
        assert changes.trouble is None
