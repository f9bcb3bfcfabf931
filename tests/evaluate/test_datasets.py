"""Readers of the published layouts: what they read, and how strict they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.published_samples import FUNCTIONS, write_advtest, write_cosqa, write_csn, write_csn99, write_staqc

from codeseek.errors import DataError, UsageError
from codeseek.evaluate.datasets import load_dataset, load_training_pairs
from codeseek.evaluate.datasets.advtest import normalise_identifiers, perturb_pairs
from codeseek.evaluate.functions import function_chunk
from codeseek.evaluate.measures import ndcg_within_judged

WRITERS: dict[str, Callable[[Path], Path]] = {
    "csn": write_csn, "advtest": write_advtest, "staqc": write_staqc, "cosqa": write_cosqa,
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_each_query_has_its_function_in_the_pool(name: str, tmp_path: Path) -> None:
    dataset = load_dataset(name, WRITERS[name](tmp_path / name))
    for part in dataset.parts:
        assert len(part.queries) == len(part.documents) == len(FUNCTIONS)
        for judged in part.qrels.values():
            assert set(judged) <= set(part.documents)
    assert "Sort numbers" in " ".join(dataset.parts[0].queries.values()).replace("sort", "Sort")


@pytest.mark.parametrize("name", ["csn", "advtest"])
def test_docstrings_are_not_in_the_pool(name: str, tmp_path: Path) -> None:
    for chunk in load_dataset(name, WRITERS[name](tmp_path / name)).parts[0].documents.values():
        assert not chunk.documentation
        assert all(sentence not in chunk.text for sentence, _ in FUNCTIONS.values())


def test_cosqa_has_its_pool_in_both_forms(tmp_path: Path) -> None:
    with_them, without = load_dataset("cosqa", write_cosqa(tmp_path)).parts
    assert with_them.documents["1"].documentation == "Sort numbers from large to small."
    assert "large to small" not in without.documents["1"].text
    assert with_them.qrels == without.qrels


def test_csn_averages_its_languages(tmp_path: Path) -> None:
    dataset = load_dataset("csn", write_csn(write_csn(tmp_path), "ruby"))
    assert [part.name for part in dataset.parts] == ["ruby", "python"]
    assert dataset.averaged
    assert dataset.notes[1].endswith("not here: javascript, go, java, php")
    (part,) = load_dataset("csn", tmp_path / "python").parts
    assert part.name == "python"


def test_csn99_averages_judges_and_leaves_out_what_nothing_fits(tmp_path: Path) -> None:
    dataset = load_dataset("csn99", write_csn99(tmp_path))
    (part,) = dataset.parts
    assert sorted(part.queries.values()) == ["read a file", "sort numbers"]
    query = next(name for name, text in part.queries.items() if text == "sort numbers")
    assert sorted(part.qrels[query].values()) == [0, 1, 2.5]
    assert part.allowed is not None
    assert part.allowed[query] == set(part.qrels[query])
    best = sorted(part.qrels[query], key=lambda url: -part.qrels[query][url])
    assert ndcg_within_judged(best, part.qrels[query]) == 1
    assert dataset.notes[0].startswith("1 of 6 graded functions have no source")


def _break_line(path: Path, line: int, **changes: Any) -> None:
    lines = path.read_text().splitlines()
    record = json.loads(lines[line - 1]) | changes
    lines[line - 1] = json.dumps({key: value for key, value in record.items() if value != "REMOVED"})
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("name", "file", "changes", "message"),
    [
        ("csn", "python/test.jsonl", {"docstring_tokens": 7}, r"test\.jsonl:2 field 'docstring_tokens' holds int"),
        ("csn", "python/test.jsonl", {"url": "REMOVED"}, r"test\.jsonl:2 field 'url' holds nothing"),
        (
            "csn",
            "python/test.jsonl",
            {"url": "elsewhere"},
            r"test\.jsonl:2 field 'url' names elsewhere, which is not in",
        ),
        (
            "csn",
            "python/codebase.jsonl",
            {"original_string": 1},
            r"codebase\.jsonl:2 field 'original_string' holds int",
        ),
        (
            "csn",
            "python/codebase.jsonl",
            {"original_string": "REMOVED", "code": "REMOVED", "code_tokens": ["a", 1]},
            r"codebase\.jsonl:2 field 'code_tokens' holds list, wanted a list of strings",
        ),
        ("advtest", "test.jsonl", {"function": []}, r"test\.jsonl:2 field 'function' holds an empty list"),
        (
            "advtest",
            "test.jsonl",
            {"docstring_tokens": []},
            r"test\.jsonl:2 field 'docstring_tokens' holds an empty list",
        ),
        ("staqc", "test.jsonl", {"question": None}, r"test\.jsonl:2 field 'question' holds null"),
        ("staqc", "codebase.jsonl", {"retrieval_idx": "1"}, r"codebase\.jsonl:2 field 'retrieval_idx' holds str"),
        ("staqc", "codebase.jsonl", {"retrieval_idx": 0}, r"codebase\.jsonl:2 field 'retrieval_idx' repeats 0"),
    ],
)
def test_a_wrong_field_is_named_by_file_line_and_field(
    name: str, file: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    WRITERS[name](tmp_path)
    _break_line(tmp_path / file, 2, **changes)
    with pytest.raises(DataError, match=message):
        load_dataset(name, tmp_path)


def test_a_wrong_field_in_a_json_array_is_named_by_its_line(tmp_path: Path) -> None:
    write_cosqa(tmp_path)
    path = tmp_path / "cosqa-retrieval-dev-500.json"
    records = json.loads(path.read_text())
    records[1]["retrieval_idx"] = "1"
    path.write_text(json.dumps(records, indent=1))
    line = 1 + next(at for at, text in enumerate(path.read_text().splitlines()) if at > 1 and text == " {")
    with pytest.raises(
        DataError, match=rf"dev-500\.json:{line} field 'retrieval_idx' holds str, wanted a whole number"
    ):
        load_dataset("cosqa", tmp_path)
    path.write_text("[{}\n,\n{]")
    with pytest.raises(DataError, match=r"dev-500\.json:1 field 'retrieval_idx' holds nothing"):
        load_dataset("cosqa", tmp_path)
    (tmp_path / "code_idx_map.txt").write_text('{"def a(): pass": 0,\n"def b(): pass": "1"}')
    with pytest.raises(DataError, match=r"code_idx_map\.txt:2 .*holds str, wanted a whole number"):
        load_dataset("cosqa", tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Python,sort,https://x,4,", r"annotations\.csv:2 field 'Relevance' holds '4', wanted 0 to 3"),
        ("Python,,https://x,1,", r"annotations\.csv:2 field 'Query' holds an empty str"),
    ],
)
def test_a_wrong_annotation_is_named(row: str, message: str, tmp_path: Path) -> None:
    write_csn99(tmp_path)
    (tmp_path / "annotations.csv").write_text(f"Language,Query,GitHubUrl,Relevance,Notes\n{row}\n")
    with pytest.raises(DataError, match=message):
        load_dataset("csn99", tmp_path)


def test_a_missing_folder_or_file_says_what_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        load_dataset("csn", tmp_path / "none")
    for name in ("csn", "cosqa"):
        with pytest.raises(UsageError, match="has n"):
            load_dataset(name, tmp_path)


def test_training_pairs_are_the_matching_ones(tmp_path: Path) -> None:
    assert len(load_training_pairs("cosqa", write_cosqa(tmp_path / "a"), 100)) == len(FUNCTIONS)
    assert len(load_training_pairs("csn", write_csn(tmp_path / "b"), 3)) == 3
    assert load_training_pairs("staqc", write_staqc(tmp_path / "c"), 1)[0].query.startswith("how to read")
    with pytest.raises(UsageError, match="no train split"):
        load_training_pairs("csn99", tmp_path, 1)


def test_identifiers_are_normalised_as_published() -> None:
    code = (
        "def dailymotion_download(url, output_dir='.', info_only=False, **kwargs):\n"
        '    """Downloads videos by URL."""\n'
        "    html = get_content(rebuilt_url(url))\n"
        "    for quality in ['1080', '720']:\n"
        "        real_url = html[quality].url\n"
        "    if not info_only:\n"
        "        download_urls([real_url], output_dir=output_dir)\n"
    )
    assert normalise_identifiers(code) == (
        "def Func(arg_0, arg_1='.', arg_2=False, **arg_3):\n"
        '    """Downloads videos by URL."""\n'
        "    arg_4 = get_content(rebuilt_url(arg_0))\n"
        "    for arg_5 in ['1080', '720']:\n"
        "        arg_6 = arg_4[arg_5].url\n"
        "    if not arg_2:\n"
        "        download_urls([arg_6], arg_1=arg_1)\n"
    )
    assert normalise_identifiers("print 'python 2'") is None
    assert normalise_identifiers("x = 1") is None


def test_a_perturbation_of_any_pairs_is_an_advtest(tmp_path: Path) -> None:
    write_csn(tmp_path / "csn")
    lines = (tmp_path / "csn/python/test.jsonl").read_text().splitlines()
    lines.append(json.dumps({"query": "an old print", "document": "def f(:\n"}))
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    assert perturb_pairs(tmp_path / "pairs.jsonl", tmp_path / "test.jsonl") == (len(FUNCTIONS), 1)
    (part,) = load_dataset("advtest", tmp_path).parts
    assert {chunk.name for chunk in part.documents.values()} == {"Func"}


@pytest.mark.parametrize(
    ("language", "code", "name"),
    [
        ("java", "public int add(int a, int b) {\n  return a + b;\n}", "add"),
        ("php", "public function add($a, $b)\n{\n    return $a + $b;\n}", "add"),
        ("javascript", "function (a, b) {\n  return a + b;\n}", ""),
        ("go", "func (c *Calc) Add(a, b int) int {\n\treturn a + b\n}", "Add"),
        ("ruby", "def add(a, b)\n  a + b\nend", "add"),
        ("python", "    def add(self, a, b):\n        return a + b", "add"),
        ("cobol", "ADD A TO B.", ""),
    ],
)
def test_a_function_out_of_its_file_is_one_chunk(language: str, code: str, name: str) -> None:
    chunk = function_chunk("0", language, code, documented=True)
    assert chunk.name == name
    assert "Holder" not in chunk.signature + "".join(chunk.scope)
    assert chunk.text.split() == code.split()
