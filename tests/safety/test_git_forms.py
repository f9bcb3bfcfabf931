"""Repositories as git makes them: submodules, linked worktrees, shallow, sparse and bare clones, and none at all."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from fakes.hazards import NAME, check_as_from_scratch, function
from fakes.word_encoder import WordEncoder

from codeseek.build import build_index
from codeseek.paths import find_root
from codeseek.stores.snapshot import open_index


@pytest.fixture(autouse=True)
def _own_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration but what the tests need: a name, and leave to clone from a folder."""
    settings = {"user.name": "a", "user.email": "a@b.c", "protocol.file.allow": "always", "init.defaultBranch": "main"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (key, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def git(folder: Path, *arguments: str | Path) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)


def committed(folder: Path) -> Path:
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    return folder


def indexed(root: Path) -> list[str]:
    build_index(root, WordEncoder())
    with open_index(root, NAME) as index:
        return index.paths


FILES = ["notes.md", "src/files.py", "src/http.py"]


def test_no_git_and_an_empty_repository(root: Path, tmp_path: Path) -> None:
    assert indexed(root) == FILES
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q")
    assert indexed(tmp_path / "empty") == []
    check_as_from_scratch(tmp_path / "empty")


def test_submodules_belong_to_what_holds_them(root: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "helper.py").write_text(function("help_out"))
    (library / ".gitignore").write_text("build.py\n")
    committed(library)
    committed(root)
    git(root, "submodule", "add", "-q", library, "vendor/library")
    (root / "vendor/library/build.py").write_text(function("made_anew"))
    wanted = [".gitmodules", *FILES, "vendor/library/.gitignore", "vendor/library/helper.py"]
    assert [path for path in indexed(root) if path != ".gitignore"] == sorted(wanted)
    assert find_root(root / "vendor/library") == root  # it has an index; a submodule without one is its own root
    check_as_from_scratch(root)


def test_worktrees_have_indexes_of_their_own(root: Path, tmp_path: Path) -> None:
    committed(root)
    build_index(root, WordEncoder())
    git(root, "worktree", "add", "-q", tmp_path / "linked", "-b", "other")
    encoder = WordEncoder()
    report = build_index(tmp_path / "linked", encoder)
    assert (report.files, report.vectors, encoder.encoded) == (3, 4, [])
    assert find_root(tmp_path / "linked/src") == tmp_path / "linked"


def test_clones_that_lack_history_or_files(root: Path, tmp_path: Path) -> None:
    committed(root)
    (root / "src/new.py").write_text(function("brand_new"))
    git(root, "add", ".")
    git(root, "commit", "-qm", "two")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root}", "shallow")
    assert indexed(tmp_path / "shallow") == [*FILES, "src/new.py"]
    git(tmp_path, "clone", "-q", "--sparse", f"file://{root}", "sparse")
    assert indexed(tmp_path / "sparse") == ["notes.md"]
    git(tmp_path / "sparse", "sparse-checkout", "set", "src")
    check_as_from_scratch(tmp_path / "sparse")
    assert indexed(tmp_path / "sparse") == [*FILES, "src/new.py"]
    git(tmp_path, "clone", "-q", "--bare", root, "bare.git")
    assert all(not path.endswith(".py") for path in indexed(tmp_path / "bare.git"))


def test_a_repository_in_the_middle_of_a_merge(root: Path) -> None:
    committed(root)
    git(root, "checkout", "-qb", "other")
    (root / "src/http.py").write_text(function("parse_theirs"))
    git(root, "commit", "-qam", "theirs")
    git(root, "checkout", "-q", "main")
    (root / "src/http.py").write_text(function("parse_ours"))
    git(root, "commit", "-qam", "ours")
    merge = ["git", "-C", os.fspath(root), "merge", "-q", "other"]
    assert subprocess.run(merge, capture_output=True, check=False).returncode == 1
    assert "<<<<<<<" in (root / "src/http.py").read_text()
    assert indexed(root) == FILES
    check_as_from_scratch(root)
