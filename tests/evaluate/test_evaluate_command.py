"""`codeseek evaluate`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.published_samples import FUNCTIONS, write_cosqa, write_csn
from fakes.rankers import OverlapRanker
from fakes.word_encoder import WordEncoder

from codeseek.cli.app import run
from codeseek.evaluate import models
from codeseek.evaluate.stages import Models
from codeseek.retrievers.fusion import Blend

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs the command with models whose answers can be counted by hand: (exit code, stdout, stderr)."""

    def fake_models(encoder: str | None, ranker: str | None, device: str, *, vectors: bool, rerank: bool) -> Models:
        return Models(WordEncoder() if vectors else None, OverlapRanker() if rerank else None, Blend())

    monkeypatch.setattr(models, "load_models", fake_models)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["evaluate", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_json_is_one_object_with_three_keys(evaluate: Call, tmp_path: Path) -> None:
    code, out, _ = evaluate("cosqa", str(write_cosqa(tmp_path)), "--format", "json")
    assert code == 0
    record = json.loads(out)
    assert list(record) == ["dataset", "queries", "stages"]
    assert (record["dataset"], record["queries"]) == ("cosqa", len(FUNCTIONS))
    assert list(record["stages"]) == ["lexical", "dense", "fused", "reranked"]
    assert record["stages"]["reranked"]["MRR"] == 1


def test_stages_can_be_left_out(evaluate: Call, tmp_path: Path) -> None:
    folder = str(write_csn(tmp_path))
    _, out, _ = evaluate("csn", folder, "--format", "json", "--no-vectors", "--no-rerank", "--queries", "2")
    record = json.loads(out)
    assert (list(record["stages"]), record["queries"]) == (["lexical", "fused"], 2)


def test_the_table_shows_published_figures_and_files_are_written(evaluate: Call, tmp_path: Path) -> None:
    out_folder = tmp_path / "out"
    code, out, err = evaluate("csn", str(write_csn(tmp_path / "data")), "--out", str(out_folder))
    assert code == 0
    assert "MRR published by Dong et al., arXiv 2305.04508" in out
    assert "CodeBERT          0.703   0.759          -" in out
    assert f"wrote 8 files to {out_folder}" in err
    assert json.loads((out_folder / "report.json").read_text())["settings"]["ranker"] == "overlap"


def test_own_says_which_settings_serve(evaluate: Call, tmp_path: Path) -> None:
    root = tmp_path / "own"
    root.mkdir()
    for name, (sentence, body) in FUNCTIONS.items():
        head = f'def {name}(path, values, text):\n    """{sentence}."""\n    value = prepare(path, values, text)\n'
        text = f"{head}    {body}\n"
        (root / f"{name}.py").write_text(text)
    code, out, _ = evaluate("own", str(root), "--out", str(tmp_path / "out"))
    assert code == 0
    assert "for this repository: " in out
    compared = json.loads((tmp_path / "out/report.json").read_text())["settings"]["compared"]
    assert [entry["options"] for entry in compared][:2] == ["--depth 20", "--depth 10"]


def test_perturbed_pairs_become_an_advtest(evaluate: Call, tmp_path: Path) -> None:
    pairs = write_csn(tmp_path / "csn") / "python" / "test.jsonl"
    code, out, err = evaluate("advtest", str(tmp_path / "adv"), "--perturb", str(pairs), "--format", "json")
    assert code == 0
    assert json.loads(out)["queries"] == len(FUNCTIONS)
    assert "wrote 5 pairs with normalised identifiers" in err
    code, _, err = evaluate("advtest", str(tmp_path / "adv"), "--perturb", str(pairs))
    assert code == 2
    assert "already exists" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cosqua", "."), "did you mean cosqa?"),
        (("csn", "nowhere"), "no such folder: nowhere"),
        (("csn", ".", "--split", "train"), "--split is 'train'"),
        (("csn", ".", "--ablate"), "an ablation trains models"),
        (("csn", ".", "--perturb", "x.jsonl"), "--perturb is for advtest"),
    ],
)
def test_refusals(evaluate: Call, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = evaluate(*arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_identity_is_no_stage_because_a_search_leaves_it_out() -> None:
    assert models.load_models(None, "identity", "cpu", vectors=False).ranker is None
