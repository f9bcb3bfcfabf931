"""`search` and `similar` from the words typed to what is printed, over a search that answers by hand."""

from __future__ import annotations

import io
import json
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.searcher import FakeSearcher

from codeseek.cli.progress import ProgressReport
from codeseek.device import DeviceWarning
from codeseek.types import QUERY_MAX_CHARS, Answer, Filters, Kind

Run = Callable[..., tuple[int, str, str]]


def test_a_pipe_gets_plain_lines(codeseek: Run, searchers: list, repository: Path) -> None:
    code, out, err = codeseek("search", "walk files")
    assert (code, err) == (0, "")
    assert out == "src/walk.py:1-2  function walk\nsrc/files.py:2-3  function files\n"
    assert searchers[0].root == repository


def test_options_reach_the_search(codeseek: Run, searchers: list, repository: Path) -> None:
    (repository / "docs").mkdir()
    arguments = "search q -n 3 --lang py,go --kind function,method -g *.py -g !test_* --depth 20 --budget-ms 250"
    code, _, _ = codeseek(*arguments.split(), "--device", "cpu", "--no-update", "--", "src", "docs")
    call = searchers[0].calls[0]
    assert code == 0
    assert call["filters"] == Filters(
        languages=frozenset({"python", "go"}),
        kinds=frozenset({Kind.FUNCTION, Kind.METHOD}),
        globs=("*.py", "!test_*"),
        paths=("src", "docs"),
    )
    assert (call["limit"], call["depth"], call["budget_ms"], call["rerank"]) == (3, 20, 250, True)
    assert searchers[0].options["device"] == "cpu"
    assert searchers[0].options["update"] is False


def test_no_rerank_loads_no_ranker(codeseek: Run, searchers: list, repository: Path) -> None:
    codeseek("search", "q", "--no-rerank", "--ranker", "some/model")
    assert searchers[0].options["ranker"] is None
    assert searchers[0].calls[0]["rerank"] is False


def test_a_device_that_fails_is_said_in_one_line(
    codeseek: Run, searchers: list, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FakeSearcher.search

    def search(self: FakeSearcher, query: str, **options: Any) -> Answer:
        warnings.warn("cuda ran out of memory; reranking on the CPU", DeviceWarning, stacklevel=2)
        warnings.warn("not for users", ImportWarning, stacklevel=2)
        return original(self, query, **options)

    monkeypatch.setattr(FakeSearcher, "search", search)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        code, _, err = codeseek("search", "q")
    assert (code, err) == (0, "codeseek: cuda ran out of memory; reranking on the CPU\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-n", "many"), "codeseek: invalid value for '-n' / '--limit': 'many' is not a whole number\n"),
        (("--min-score", "high"), "codeseek: invalid value for '--min-score': 'high' is not a number\n"),
    ],
)
def test_a_number_is_wanted(arguments: tuple[str, ...], message: str, codeseek: Run, repository: Path) -> None:
    code, _, err = codeseek("search", "q", *arguments)
    assert code == 2
    assert err.startswith(message)


def test_configuration_fills_in_what_was_not_typed(
    codeseek: Run, searchers: list, repository: Path, tmp_path: Path
) -> None:
    Path(os.environ["CODESEEK_CONFIG"]).write_text(
        'limit = 2\ndevice = "cpu"\nformat = "json"\nrerank = false\nmax_file_size = "2M"\n'
    )
    code, out, _ = codeseek("search", "a b c", "--device", "auto")
    assert code == 0
    assert out.count("\n") == 2  # plain lines: a configured format is for terminals
    assert searchers[0].options["device"] == "auto"
    assert searchers[0].options["max_file_bytes"] == 2 * 1024**2
    assert searchers[0].calls[0]["rerank"] is False


def test_paths_read_from_where_the_user_is(
    codeseek: Run, searchers: list, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "src")
    assert codeseek("search", "walk")[1] == "walk.py:1-2  function walk\n"
    monkeypatch.chdir("/")
    assert codeseek("search", "walk", "--root", str(repository))[1].startswith(f"{repository}/src/walk.py"[1:])


def test_a_path_elsewhere_chooses_its_own_repository(
    codeseek: Run, searchers: list, repository: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / ".git").mkdir(parents=True)
    (other / "lib").mkdir()
    codeseek("search", "q", str(other / "lib"))
    assert searchers[0].root == other.resolve()
    assert searchers[0].calls[0]["filters"].paths == ("lib",)
    code, _, err = codeseek("search", "q", str(other / "lib"), "src")
    assert code == 2
    assert err.startswith(f"codeseek: the paths lie in different repositories: {other.resolve()}, {repository}\n")


def test_a_folder_of_repositories_is_no_root_unless_named(
    codeseek: Run, searchers: list, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = repository.parent
    (parent / "other" / ".git").mkdir(parents=True)
    for name in ("plain", "bare"):
        (parent / name).mkdir()
    monkeypatch.chdir(parent)
    code, _, err = codeseek("search", "q", "repo/src", "other")
    assert (code, searchers) == (2, [])
    assert err.startswith(f"codeseek: the paths lie in different repositories: {parent}/other, {repository}\n  hint: ")
    codeseek("search", "q", "repo/src")
    codeseek("search", "q", "repo/src", "other", "--root", ".")
    codeseek("search", "q", "plain", "bare")
    assert [searcher.root for searcher in searchers] == [repository, parent, parent]
    assert searchers[1].calls[0]["filters"].paths == ("repo/src", "other")


@pytest.mark.parametrize("path", ["src/nowhere", "nowhere.py"])
def test_a_path_that_is_none_is_not_taken_for_a_word(
    path: str, codeseek: Run, searchers: list, repository: Path
) -> None:
    code, _, err = codeseek("search", "q", path)
    assert code == 2
    assert err.splitlines() == [
        f"codeseek: no such file or folder: {path}",
        f"  hint: name an existing file or folder, as seen from {repository}",
    ]


def test_a_home_folder_is_searched_only_if_named(
    codeseek: Run, searchers: list, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = repository.parent
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    code, _, err = codeseek("search", "q")
    assert (code, searchers) == (2, [])
    assert err.startswith(f"codeseek: {home} is no repository, and all of it may be more than you mean\n  hint: ")
    monkeypatch.setenv("TMPDIR", str(home))
    monkeypatch.setenv("HOME", str(repository))
    assert codeseek("search", "q")[0] == 2
    codeseek("search", "q", "repo/src")
    assert (searchers[0].root, searchers[0].calls[0]["filters"].paths) == (repository, ("src",))
    codeseek("search", "q", "--root", ".")
    assert searchers[1].root == home


def test_several_words_without_quotes_name_the_remedy(codeseek: Run, searchers: list, repository: Path) -> None:
    code, out, err = codeseek("search", "how", "are", "failed", "requests", "retried")
    assert (code, out, searchers) == (2, "", [])
    assert err == (
        "codeseek: no such file or folder: are\n"
        '  hint: to search for several words, quote them: codeseek search "how are failed requests retried"\n'
    )


def test_a_query_from_standard_input(
    codeseek: Run, searchers: list, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("walk\n  files\n"))
    codeseek("search", "-", "src")
    assert searchers[0].calls[0]["query"] == "walk files"


@pytest.mark.parametrize("query", ["", "  \t\n", "\0"])
def test_an_empty_query_is_refused(query: str, codeseek: Run, searchers: list, repository: Path) -> None:
    code, out, err = codeseek("search", query)
    assert (code, out, searchers) == (2, "", [])
    assert err.startswith("codeseek: the query is empty\n  hint: ")


@pytest.mark.parametrize("query", ["где пропускаются файлы", "忽略的文件在哪里", "🔍🦀", "a\u0301"])
def test_any_script_is_a_query(query: str, codeseek: Run, searchers: list, repository: Path) -> None:
    assert codeseek("search", query)[0] == 0
    assert searchers[0].calls[0]["query"] == query


def test_a_query_that_is_not_utf8_is_mended(codeseek: Run, searchers: list, repository: Path) -> None:
    assert codeseek("search", os.fsdecode(b"caf\xe9"))[0] == 0
    assert searchers[0].calls[0]["query"] == "caf\ufffd"


def test_a_very_long_query_is_cut_and_says_so(codeseek: Run, searchers: list, repository: Path) -> None:
    code, _, err = codeseek("search", "x" * 100_000)
    assert code == 0
    assert err == "codeseek: the query has 100,000 characters, only the first 2,000 are used\n"
    assert len(searchers[0].calls[0]["query"]) == QUERY_MAX_CHARS


def test_an_empty_answer_says_what_was_searched(codeseek: Run, searchers: list, repository: Path) -> None:
    code, out, err = codeseek("search", "nothing", "--lang", "go", "-g", "!*_test.go", "src")
    assert (code, out) == (1, "")
    assert err == "codeseek: no hit: searched 40 of 40 chunks in 3 files with --lang go -g '!*_test.go' src\n"


def test_min_score_drops_hits_and_leaves_with_1_when_none_is_left(
    codeseek: Run, searchers: list, repository: Path
) -> None:
    code, out, _ = codeseek("search", "a b c", "--min-score", "0.7")
    assert (code, out.count("\n")) == (0, 2)
    code, out, err = codeseek("search", "a b c", "--min-score", "0.95")
    assert (code, out) == (1, "")
    assert err.startswith("codeseek: no hit scores 0.95 or more, the best scores 0.90: searched 40 of 40 chunks")


def test_no_good_match_is_said_on_standard_error(codeseek: Run, searchers: list, repository: Path) -> None:
    code, out, err = codeseek("search", "nonsense")
    assert (code, err) == (0, "codeseek: nothing here seems to answer that; the nearest are:\n")
    assert out.count("\n") == 1
    _, out, err = codeseek("search", "nonsense", "--format", "jsonl")
    assert err == ""
    assert json.loads(out.splitlines()[-1])["queries"][0]["no_good_match"] is True


def test_a_batch_answers_each_line_and_reports_bad_ones(
    codeseek: Run, searchers: list, repository: Path, tmp_path: Path
) -> None:
    batch = tmp_path / "queries.jsonl"
    batch.write_text('{"query_id": "a", "query": "x y"}\n\n{"query_id": 7, "query": "nothing"}\n{"query": 1}\nnope\n')
    code, out, err = codeseek("search", "--batch", str(batch), "--format", "jsonl")
    records = [json.loads(line) for line in out.splitlines()]
    assert [(record["query_id"], record["rank"]) for record in records[:-1]] == [("a", 1), ("a", 2)]
    assert [query["query_id"] for query in records[-1]["queries"]] == ["a", "7"]
    assert code == 2  # hits were printed, but a part failed
    assert f"codeseek: {batch}:4: query_id is missing\n" in err
    assert f"codeseek: {batch}:5: not JSON\n" in err


def test_a_batch_takes_no_query(codeseek: Run, searchers: list, repository: Path, tmp_path: Path) -> None:
    batch = tmp_path / "queries.jsonl"
    batch.write_text('{"query_id": "a", "query": "x"}\n')
    assert codeseek("search", "--batch", str(batch), "src")[0] == 0
    assert searchers[0].calls[0]["filters"].paths == ("src",)
    code, _, err = codeseek("search", "--batch", str(tmp_path / "none.jsonl"))
    assert code == 2
    assert err.startswith(f"codeseek: cannot read {tmp_path}/none.jsonl: no such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--format", "xml"], "--format is 'xml'", "values: terminal, plain"),
        (["--format", "vimgrp"], "--format is 'vimgrp'", "did you mean vimgrep?"),
        (["--kind", "function,clas"], "--kind is 'clas'", "did you mean class?"),
        (["--lang", "pyton"], "--lang is 'pyton'", "did you mean python?"),
        (["--lang", "golang"], "--lang is 'golang'", "did you mean go?"),
        (["--kind", "func"], "--kind is 'func'", "did you mean function?"),
        (["--device", "gpu"], "--device is 'gpu'", "values: auto, cpu, cuda, mps"),
        (["--limt", "3"], "no such option: --limt", "did you mean --limit?"),
        (["-n", "0"], "invalid value for '-n'", "see codeseek search --help"),
        (["-n", "ten"], "invalid value for '-n'", "see codeseek search --help"),
        (["--root", "nowhere"], "no such folder: nowhere", "name an existing folder"),
        (["--root", "main.go"], "not a folder: main.go", "name the folder that holds it"),
    ],
)
def test_wrong_arguments_name_the_nearest_right_one(
    arguments: list[str], message: str, hint: str, codeseek: Run, searchers: list, repository: Path
) -> None:
    code, out, err = codeseek("search", "q", *arguments)
    assert (code, out, searchers) == (2, "", [])
    first, second = err.splitlines()
    assert first.startswith(f"codeseek: {message}")
    assert second.startswith("  hint: ")
    assert hint in second


def test_similar_starts_from_a_line(codeseek: Run, searchers: list, repository: Path) -> None:
    code, out, _ = codeseek("similar", "src/a.py:2", "-n", "4", "--lang", "python")
    assert (code, out) == (0, "src/alike.py:1-2  function alike\n")
    call = searchers[0].calls[0]
    assert (call["path"], call["line"], call["limit"]) == ("src/a.py", 2, 4)
    assert call["filters"] == Filters(languages=frozenset({"python"}))
    codeseek("similar", "src/a.py:2:9:text".removesuffix(":text"))
    assert searchers[1].calls[0]["line"] == 2


@pytest.mark.parametrize("place", ["src/a.py", "src/a.py:", "src/a.py:0", "src/a.py:x", "none.py:1", ":1"])
def test_similar_refuses_a_place_that_is_none(place: str, codeseek: Run, searchers: list, repository: Path) -> None:
    code, _, err = codeseek("similar", place)
    assert (code, searchers) == (2, [])
    assert "hint: name a file and a line: codeseek similar src/walk.py:40" in err


@pytest.mark.parametrize(
    ("built", "stage", "said"),
    [
        (True, "chunk", "built the index: 3 files, 40 chunks, in 0."),
        (False, "encode", "made the vectors that were missing, in 0."),
        (False, "walk", "nothing has changed, in 0."),
    ],
)
def test_building_is_announced_with_its_result(
    built: bool,
    stage: str,
    said: str,
    codeseek: Run,
    searchers: list,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = sys.modules["codeseek.search"].open_searcher

    def building(root: Path, *, progress: ProgressReport, **options: object) -> object:
        progress._quiet_until = 0.0
        searcher = original(root, **options)
        searcher.built = built
        searcher.notes = ("the index was written by format 0",)
        searcher.freshness = replace(searcher.freshness, updated_files=0, removed_files=0)
        progress(stage, 1, 2)
        return searcher

    monkeypatch.setattr(sys.modules["codeseek.search"], "open_searcher", building)
    _, _, err = codeseek("search", "q")
    assert f"codeseek: {said}" in err
    assert "codeseek: the index was written by format 0\n" in err
