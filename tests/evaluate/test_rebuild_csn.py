"""tests/benchmarks/rebuild_csn.py: Ruby functions from URLs and mirrors to files that the reader of CSN takes."""

from __future__ import annotations

import importlib
import json
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from codeseek.errors import DataError
from codeseek.evaluate.datasets import load_dataset

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
SOURCE = """module Shop
  # Sells things.
  class Basket
    # Holds what was
    # chosen; a basket is never nil.
    #
    # @param [Array] items what to begin with
    def initialize(items = [])
      @items = items
    end

    def total
      @items.sum
    end

    # Adds one item, unless it is there already. @return [self]
    def add(item)
      @items << item unless @items.include?("an #{item}")
      self
    end # keeps the order

    def clear
      @items = []
    end

    # See https://example.org/baskets for more of it.
    def more
      @items.size
    end
  end
end
"""
LINES = {"total": (12, 14), "add": (17, 20), "clear": (22, 24), "more": (27, 29)}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("rebuild_csn")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, source: str, day: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(name, f"{day}T12:00:00Z")
    (folder / "lib").mkdir(exist_ok=True)
    (folder / "lib" / "basket.rb").write_text(source)
    git(folder, "add", ".")
    git(folder, "commit", "-m", "change")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """The folder of mirrors and the commit of `SOURCE` in owner/shop; a later one moves everything by a line."""
    folder = tmp_path / "mirrors" / "owner+shop" / "repo"
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    pinned = commit(folder, SOURCE, "2019-01-01", monkeypatch)
    commit(folder, "# frozen\n" + SOURCE, "2019-02-01", monkeypatch)
    return tmp_path / "mirrors", pinned


def url(commit: str, start: int, end: int, repository: str = "owner/shop", path: str = "lib/basket.rb") -> str:
    return f"https://github.com/{repository}/blob/{commit}/{path}#L{start}-L{end}"


def write_lists(folder: Path, **lists: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, urls in lists.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in urls))
    return folder


def run(script: ModuleType, lists: Path, mirrors: Path, to: Path) -> dict:
    script.main([str(lists), "--mirrors", str(mirrors), "--to", str(to)])
    return json.loads((to / "report.json").read_text())


def test_what_is_rebuilt_is_what_the_reader_of_csn_takes(
    script: ModuleType, mirror: tuple[Path, str], tmp_path: Path
) -> None:
    mirrors, pinned = mirror
    urls = {name: url(pinned, *lines) for name, lines in LINES.items()}
    lists = write_lists(tmp_path / "lists", test=[urls["add"], urls["clear"]], codebase=list(urls.values()))
    report = run(script, lists, mirrors, tmp_path / "csn")
    assert (report["test"]["rebuilt"], report["codebase"]["rebuilt"]) == (2, 4)
    (part,) = load_dataset("csn", tmp_path / "csn").parts
    assert list(part.queries.values()) == ["Adds one item unless it is there already .", "keeps the order"]
    assert part.qrels["ruby-1"] == {urls["add"]: 1.0}
    assert part.documents[urls["add"]].name == "add"
    records = [json.loads(line) for line in (tmp_path / "csn/ruby/codebase.jsonl").read_text().splitlines()]
    assert [record["func_name"] for record in records] == [f"Shop.Basket.{name}" for name in LINES]
    assert records[0]["code"] == "def total\n      @items.sum\n    end"
    assert records[0]["code_tokens"] == ["def", "total", "@items", ".", "sum", "end"]
    assert '"an #{item}"' in records[1]["code_tokens"]
    assert all(record["docstring"] == "" for record in records)


def test_comments_of_a_method_that_was_passed_over_go_to_the_next(script: ModuleType) -> None:
    function = script.Source(SOURCE.encode()).function(*LINES["total"])
    assert function.borrowed
    assert function.docstring_tokens == "Holds what was chosen ; a basket is never nil .".split()
    assert not script.Source(SOURCE.encode()).function(*LINES["add"]).borrowed


def test_what_cannot_be_rebuilt_is_counted_by_its_reason(
    script: ModuleType, mirror: tuple[Path, str], tmp_path: Path
) -> None:
    mirrors, pinned = mirror
    wanted = [
        url(pinned, *LINES["add"]), url(pinned, *LINES["more"]), url(pinned, 17, 19), url(pinned, 17, 99),
        url(pinned, 1, 2, path="lib/gone.rb"), url(pinned, 1, 2, repository="owner/gone"),
    ]  # fmt: skip
    report = run(script, write_lists(tmp_path / "lists", test=wanted, codebase=wanted), mirrors, tmp_path / "csn")
    why = script.Why
    unreadable = dict.fromkeys((why.NO_METHOD, why.OUT_OF_RANGE, why.NO_FILE, why.NO_MIRROR), 1)
    assert report["codebase"]["not rebuilt"] == unreadable
    assert report["test"]["not rebuilt"] == unreadable | {why.UNCLEAN: 1}
    assert report["test"]["rebuilt"] == 1


def test_an_absent_commit_gives_way_to_one_with_methods_at_the_same_lines(
    script: ModuleType, mirror: tuple[Path, str], tmp_path: Path
) -> None:
    mirrors, _ = mirror
    absent = "0" * 40
    wanted = [url(absent, *LINES["add"]), url(absent, 1, 2)]
    report = run(script, write_lists(tmp_path / "lists", test=wanted, codebase=wanted), mirrors, tmp_path / "csn")
    assert report["test"]["from another commit"] == report["test"]["rebuilt"] == 1
    assert report["test"]["not rebuilt"] == {script.Why.NO_COMMIT: 1}
    assert "keeps the order" not in (tmp_path / "csn/ruby/test.jsonl").read_text()


def test_the_pool_leaves_out_repositories_of_the_train_split_and_those_of_no_list(
    script: ModuleType, mirror: tuple[Path, str], tmp_path: Path
) -> None:
    mirrors, pinned = mirror
    names = ("owner/shop", "owner/trained", "owner/unknown")
    entries = [url(pinned, *LINES["add"], repository=name) for name in names]
    lists = write_lists(tmp_path / "lists", test=entries[:1], train=entries[1:2], codebase=entries)
    report = run(script, lists, mirrors, tmp_path / "csn")
    assert report["codebase"]["listed"] == 1
    assert list(report["codebase"]["left out"].values()) == [1, 1]
    assert not (tmp_path / "csn/ruby/train.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (" one\n two, \"three\"\n\n four words", ["one", "two", "three"]),
        ("Sets a::b to {} -> [[x]] @param c", "Sets a :: b to {} - > [[ x ]]".split()),
        ("f() of /a/b.c", "f () of / a / b . c".split()),
    ],
)  # fmt: skip
def test_words_are_those_of_codesearchnet(script: ModuleType, text: str, tokens: list[str]) -> None:
    assert importlib.import_module("csn_ruby").docstring_tokens(text) == tokens


def test_a_line_that_is_no_url_is_named(script: ModuleType, tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists", test=[url("0" * 40, 1, 2), "https://example.org"], codebase=[])
    with pytest.raises(DataError, match=r"test\.txt:2 is no URL of a function"):
        script.read_list(lists / "test.txt")
