"""A hostile repository runs nothing, reads nothing outside, writes nowhere, chooses no model, and has bounded costs."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.encoder import fake_module
from fakes.hazards import NAME, check_as_from_scratch, find_answers, function, in_child
from fakes.word_encoder import WordEncoder

from codeseek.build import build_index
from codeseek.config import Config, load_config, parse_config
from codeseek.encoders.hub import find_model
from codeseek.errors import ModelError
from codeseek.files import walk
from codeseek.ignore import CHAIN_MAX_PATTERNS, IgnoreChain
from codeseek.paths import cache_dir
from codeseek.stores import segments
from codeseek.stores.snapshot import open_index
from codeseek.types import SkipReason, SourceFile
from codeseek.verify import verify_index

RUN_AT_GIT = ("core.fsmonitor", "core.pager", "diff.external", "alias.log", "core.sshCommand", "filter.x.clean")
RUN_BY_TOOLS = ("conftest.py", "setup.py", "sitecustomize.py", "numpy.py", "codeseek.py", ".envrc", "Makefile")


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", "-C", root, *identity, *arguments], check=True, capture_output=True)


def plant_code(root: Path, marker: Path) -> None:
    """Everything in a repository that some tool runs; each makes `marker`."""
    git(root, "init", "-q")
    git(root, "add", ".")
    for key in RUN_AT_GIT:
        git(root, "config", key, f"touch {marker};:")
    hooks = root / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "post-checkout", "pre-commit", "fsmonitor-watchman"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (hooks / name).chmod(0o700)
    (root / ".gitattributes").write_text("* filter=x diff=x\n")
    for name in RUN_BY_TOOLS:
        (root / name).write_text(f"import os\nos.system('touch {marker}')\n")


def test_runs_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "ran"
    plant_code(root, marker)
    git(root, "status")
    assert marker.exists(), "git ran nothing, so that the test would show nothing"
    marker.unlink()
    monkeypatch.chdir(root)
    build_index(root, WordEncoder())
    assert find_answers(root)
    assert not marker.exists()


def test_the_command_imports_nothing_from_the_current_folder(root: Path, tmp_path: Path) -> None:
    """As it is installed: a script whose folder, not the current one, is where Python looks first."""
    marker = tmp_path / "ran"
    for name in ("numpy", "typer", "sqlite3", "codeseek", "json", "sitecustomize", "usercustomize"):
        (root / f"{name}.py").write_text(f"import os\nos.system('touch {marker}')\n")
    script = tmp_path / "bin" / "codeseek"
    script.parent.mkdir()
    script.write_text("from codeseek.__main__ import main\nmain()\n")
    package = Path(sys.modules["codeseek"].__file__ or "").parents[1]
    command = [sys.executable, script, "status"]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert "is not indexed" in done.stderr
    assert not marker.exists()


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Names, modes, times and bytes of all files below."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_mtime_ns, data)
    return found


def test_writes_nowhere_but_in_the_cache(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(root)
    (tmp_path / "home").mkdir()
    (root / os.fsdecode(b"..\\..\\x.py")).write_text(function("climb_up"))
    (root / "a|touch b;.py").write_text(function("pipe_it"))
    before = snapshot(tmp_path)
    build_index(root, WordEncoder())
    find_answers(root)
    after = {path: what for path, what in snapshot(tmp_path).items() if not path.startswith(str(cache_dir()))}
    assert after == before


@pytest.mark.parametrize("special", [os.mkfifo, Path.mkdir], ids=["fifo", "folder"])
def test_git_and_ignore_files_that_are_none_are_not_waited_for(root: Path, special: Callable[[Path], None]) -> None:
    before = len(os.listdir("/dev/fd"))
    for number in range(20):
        folder = root / f"part{number}"
        folder.mkdir()
        for name in (".git", ".gitignore", ".codeseekignore"):
            special(folder / name)
    found = in_child(lambda: [entry.path for entry in walk(root) if isinstance(entry, SourceFile)])
    assert found == ["notes.md", "src/files.py", "src/http.py"]
    list(walk(root))
    assert len(os.listdir("/dev/fd")) == before


def test_a_git_file_with_nonsense_is_none(root: Path) -> None:
    for data in (b"gitdir: \0\n", b"gitdir:" + b"x" * 100_000, b"gitdir: /dev/zero\n", b"\xff\xfe", b"gitdir: \xff\n"):
        (root / ".git").write_bytes(data)
        assert len([entry for entry in walk(root) if isinstance(entry, SourceFile)]) == 3


def test_ignore_rules_take_bounded_memory(root: Path) -> None:
    """However many files of rules hold in one folder; deeper ones say nothing any more."""
    chain = IgnoreChain.of_root(root)
    folder = root
    for _ in range(4):
        folder = folder / "deep"
        folder.mkdir()
        (folder / ".gitignore").write_text("\n".join(f"name{at}" for at in range(CHAIN_MAX_PATTERNS // 2)))
        chain = chain.enter(folder, folder.relative_to(root).as_posix() + "/", [".gitignore"])
    assert chain.held == CHAIN_MAX_PATTERNS
    assert chain.is_ignored("deep/name7")


# --------------------------------------------------------------------------------------------------------------- models

MODEL_FILES = (
    "pyproject.toml",
    "codeseek.toml",
    "config.toml",
    ".codeseek/config.toml",
    ".config/codeseek/config.toml",
)


def test_chooses_no_model(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODESEEK_CONFIG")
    monkeypatch.setenv("HOME", str(root.parent / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(root)
    for name in MODEL_FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        table = "[tool.codeseek]\n" if name == "pyproject.toml" else ""
        (root / name).write_text(table + 'encoder = "evil/model"\nranker = "evil/model"\n')
    (root / ".env").write_text("CODESEEK_CONFIG=config.toml\nCODESEEK_CACHE_DIR=cache\n")
    assert load_config() == Config()
    monkeypatch.setenv("CODESEEK_CONFIG", str(root / "config.toml"))
    assert load_config().encoder == "hub:evil/model"  # the same file where the user names it


def test_is_no_model_where_the_configuration_names_one_of_the_hub(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(root)
    (root / "org/model").mkdir(parents=True)
    config = parse_config(b'encoder = "org/model"', source="c.toml")
    asked: list[str] = []
    monkeypatch.setattr("codeseek.encoders.checkpoints.fetch_from_hub", lambda name, *_: asked.append(name) or tmp_path)
    assert find_model(config.encoder or "") == tmp_path
    assert asked == ["org/model"]
    assert find_model("org/model") == root / "org/model"  # typed, it means what lies here
    for spec in ("hub:../model", "hub:/etc", "hub:"):
        with pytest.raises(ModelError, match="no such folder"):
            find_model(spec)


# --------------------------------------------------------------------------------------------------------------- bounds


def test_more_chunks_in_a_file_than_a_segment_holds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_MAX_CHUNKS", 16)
    path = root / "src/many.py"
    path.write_text("\n\n".join(function(f"compute_{number}") for number in range(50)))
    build_index(root, WordEncoder())
    with open_index(root, NAME) as index:
        assert [chunk.name for chunk in index.chunks_of("src/many.py")] == [f"compute_{n}" for n in range(50)]
        found = index.lexical.search(["compute", "37"], 1)[0]
        assert index.chunks(index.numbers[found])[0].name == "compute_37"
    check_as_from_scratch(root)
    path.write_text("\n\n".join(function(f"compute_{number}") for number in range(20)))
    check_as_from_scratch(root)
    path.unlink()
    check_as_from_scratch(root)


@pytest.mark.slow
def test_a_hundred_thousand_chunks_in_one_file(root: Path) -> None:
    path = root / "src/many.py"
    path.write_text("\n\n".join(function(f"compute_{number}") for number in range(100_000)))
    report = build_index(root, None, vectors=False, max_file_bytes=1 << 30)
    assert report.chunks == 100_004
    assert verify_index(root) == []
    path.unlink()
    assert build_index(root, None, vectors=False).chunks == 4
    assert verify_index(root) == []


def bombs() -> dict[str, bytes]:
    """Files at the limit of size that cost some tools minutes or gigabytes."""
    size = 1 << 20
    return {
        "line.py": b"x = '" + b"a" * (size - 10) + b"'\n",
        "same.py": b"def f():\n    return 1\n\n\n" * (size // 24),
        "words.py": b" ".join(b"w%d" % number for number in range(size // 9)) + b"\n",
        "lines.txt": b"a\n" * (size // 2),
        "open.js": b"[" * 50_000 + b"\n" * 1000,
        "nested.py": b"\n".join(b" " * depth + b"def f%d():" % depth for depth in range(1000)),
        "names.rs": b"fn " + b"n" * (size // 2) + b"() {}\n" * 3,
        "data.json": b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"\n" * 500,
    }


def test_takes_bounded_memory_and_time(root: Path) -> None:
    for name, data in bombs().items():
        (root / name).write_bytes(data)
    folder = root
    for _ in range(100):
        folder = folder / "d"
        folder.mkdir()
    (folder / "deep.py").write_text(function("in_the_deep"))

    def measured() -> tuple[int, float, int]:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        report = build_index(root, None, vectors=False)
        seconds = time.process_time() - started
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10, seconds, report.files

    growth_mib, seconds, files = in_child(measured)
    assert files >= 6
    assert growth_mib < 300
    assert seconds < 20
    assert verify_index(root) == []


# ------------------------------------------------------------------------------------------------------------- terminal

ESCAPE = "\x1b]0;owned\x07\x1b[2J\u202e"


def test_no_command_passes_on_escapes(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of files and folders in what each command says; the formats of hits are tested with the printers."""
    from codeseek.cli.app import run

    monkeypatch.setitem(sys.modules, "codeseek.encoders", fake_module())
    odd = root / f"sub{ESCAPE}"
    odd.mkdir()
    (odd / f"a{ESCAPE}.py").write_text(function("odd_one"))
    (odd / f"b{ESCAPE}.png").write_bytes(b"\0\0")
    (odd / f"link{ESCAPE}").symlink_to("/etc")
    monkeypatch.chdir(odd)
    shown = ""
    for arguments in (
        ["index", "-v", str(odd)],
        ["index", "-v", str(root)],
        ["status", str(odd)],
        ["status", "--check"],
        ["clean", "--list"],
        ["index", f"nowhere{ESCAPE}"],
        ["search", "x", f"nowhere{ESCAPE}"],
        ["similar", f"a{ESCAPE}.py:999"],
        ["clean", "-y", str(odd)],
    ):
        run(arguments)
        captured = capsys.readouterr()
        shown += captured.out + captured.err
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert shown.count(r"\x1b]0;owned\x07") >= 8
    reasons = {entry.reason for entry in walk(root) if not isinstance(entry, SourceFile)}
    assert SkipReason.OUTSIDE_ROOT in reasons
