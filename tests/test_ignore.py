"""How much of hostile ignore files is held, and the rules of single folders. What they mean is in test_files.py."""

from __future__ import annotations

from pathlib import Path

import pytest

import codeseek.ignore
from codeseek.ignore import ChainReader, IgnoreChain

MAX_PATTERNS = 100


@pytest.fixture(autouse=True)
def _small_and_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(codeseek.ignore, "CHAIN_MAX_PATTERNS", MAX_PATTERNS)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def test_nested_repositories_hold_no_more_than_one(tmp_path: Path) -> None:
    """A walk holds the rules of each level while it is below, in force or not."""
    chains = [IgnoreChain.of_root(tmp_path).enter(tmp_path, "", ())]
    path = ""
    for level in range(5):
        path += "sub/"
        write(tmp_path / path / ".git/info/exclude", *(f"name{level}-{at}" for at in range(40)))
        chains.append(chains[-1].enter(tmp_path / path, path, [".git"]))
    rules = {id(placed.rules): placed.rules for chain in chains for placed in chain.git}
    assert sum(held.cost for held in rules.values()) == chains[-1].held == MAX_PATTERNS
    assert chains[2].is_ignored("sub/sub/name1-7")
    assert not chains[2].is_ignored("sub/sub/name0-7"), "the outer repository has no say"


def test_a_long_pattern_counts_for_more(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", *(letter * 1000 for letter in "abcdefghijklmnopq"))
    chain = IgnoreChain.of_root(tmp_path).enter(tmp_path, "", [".gitignore"])
    assert chain.held == 99
    assert chain.is_ignored("i" * 1000)
    assert not chain.is_ignored("j" * 1000)


def test_a_pattern_longer_than_any_path_is_none(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "a" * 5000, "b")
    chain = IgnoreChain.of_root(tmp_path).enter(tmp_path, "", [".gitignore"])
    assert not chain.is_ignored("a" * 5000)
    assert chain.is_ignored("b")


def test_the_chain_of_a_folder_is_that_of_the_way_to_it(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "*.log")
    write(tmp_path / "a/.gitignore", "a.py", "!kept.log")
    write(tmp_path / "a/b/.codeseekignore", "b.py")
    write(tmp_path / "ab/.git/info/exclude", "c.py")
    chains = ChainReader(tmp_path)
    ignored = {"": {"x.log", "kept.log"}, "a/": {"a.py", "x.log"}, "a/b/": {"a.py", "b.py", "x.log"}, "ab/": {"c.py"}}
    ignored |= {"a/none/": ignored["a/"], "ab/d/": ignored["ab/"]}
    for folder in ("a/b/", "a/", "a/b/", "ab/d/", "", "a/none/", "a/b/", "ab/"):
        chain = chains.chain_of(folder)
        names = ("a.py", "b.py", "c.py", "x.log", "kept.log")
        assert {name for name in names if chain.is_ignored(folder + name)} == ignored[folder], folder
