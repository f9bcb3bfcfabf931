"""`codeseek train`: what is typed, what is printed, and a run that is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from codeseek.cli.app import run  # noqa: E402

CROSS = ["--negatives", "3", "--batch", "4", "--document-tokens", "60", "--max-tokens", "96", "--threads", "1"]
DOCUMENTS = ["--layers", "1", "--batch", "4", "--document-tokens", "60", "--threads", "1"]
DUAL = ["--batch", "4", "--document-tokens", "60", "--threads", "1"]


def arguments(kind: str, model: Path, corpus: Path, *more: str) -> list[str]:
    files = {name: str(corpus / f"{name}.jsonl") for name in ("pairs", "documents", "ranking")}
    typed = ["train", kind, "--model", str(model), "--out", str(corpus / kind), "--device", "cpu"]
    for name, file in files.items():
        typed += [f"--{name}", file] if kind in ("cross", "dual") or name != "ranking" else []
    return [*typed, *{"cross": CROSS, "dual": DUAL, "documents": DOCUMENTS, "queries": DUAL}[kind], *more]


@pytest.mark.parametrize("kind", ["cross", "dual"])
def test_a_run_tells_its_speed_on_standard_error_and_keeps_a_record(
    checkpoint: Callable[[str], Path], corpus: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    more = ["--max-steps", "2", "--log-every", "1", "--layers", "1", "--lambda", "0.1"]
    more += ["--hard-negatives", "1"] if kind == "dual" else ["--relative-margin", "0.2", "--window", "5"]
    assert run(arguments(kind, checkpoint("bert"), corpus, *more)) == 0
    printed = capfd.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert all(line.startswith("codeseek: ") for line in lines)
    # Each of the 24 lists of 10 documents loses its positive and, at rank 10 * 0.1, its first document.
    assert "candidates 240  relevant 24  duplicates 0  before_window 24" in lines[0]
    for name in ("loss", "learning_rate", "pairs_per_s", "model_share"):
        assert name in lines[1]
    record = json.loads((corpus / kind / "training.json").read_text())
    assert record["trunk.layers"] == [0]
    assert json.loads((corpus / kind / "config.json").read_text())["num_hidden_layers"] == 1


def test_an_encoder_of_documents_is_a_command(
    checkpoint: Callable[[str], Path], corpus: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments("documents", checkpoint("bert"), corpus, "--max-steps", "1", "--others", "2")) == 0
    assert "loss" in capfd.readouterr().err
    record = json.loads((corpus / "documents" / "training.json").read_text())
    assert record["options.others"] == 2


def test_an_encoder_of_queries_is_a_command(
    checkpoint: Callable[[str], Path], corpus: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments("queries", checkpoint("bert"), corpus, "--max-steps", "1", "--scale", "30")) == 0
    assert "loss" in capfd.readouterr().err
    record = json.loads((corpus / "queries" / "training.json").read_text())
    assert record["options.scale"] == 30


@pytest.mark.parametrize(
    ("kind", "typed", "message"),
    [
        ("cross", ["--source", "radnom"], "did you mean random?"),
        ("cross", ["--layers", "0,9"], "has layers 0 to 1, wanted 0, 9"),
        ("cross", ["--layers", "3"], "--layers 3 of a model with 2 layers"),
        ("cross", ["--layers", "few"], "neither a number nor a list like 0,2,4"),
        ("cross", ["--precision", "int8"], "--precision is 'int8'"),
        ("dual", ["--dev-pairs", "x"], "give both --dev-pairs and --dev-ranking"),
        ("dual", ["--resume"], "cannot read a checkpoint"),
    ],
)
def test_a_wrong_option_is_explained(
    checkpoint: Callable[[str], Path],
    corpus: Path,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    typed: list[str],
    message: str,
) -> None:
    assert run(arguments(kind, checkpoint("bert"), corpus, *typed)) == 2
    assert message in capfd.readouterr().err


def test_hard_negatives_without_a_ranking_are_refused(
    checkpoint: Callable[[str], Path], corpus: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    typed = arguments("cross", checkpoint("bert"), corpus)
    place = typed.index("--ranking")
    assert run(typed[:place] + typed[place + 2 :]) == 2
    assert "--ranking FILE, or --dual DIR" in capfd.readouterr().err


def test_an_interrupted_run_leaves_a_checkpoint_and_goes_on(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    typed = arguments(
        "dual", checkpoint("bert"), corpus, "--max-steps", "100000", "--epochs", "99999", "--log-every", "5"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "codeseek", *typed],
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    log = corpus / "dual" / "log.jsonl"
    try:
        deadline = time.monotonic() + 60
        while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "go on with --resume" in errors
    state = json.loads((corpus / "dual" / "checkpoint" / "state.json").read_text())["state"]
    assert state["step"] >= 5
    assert not (corpus / "dual" / "model.safetensors").exists()
    # Its minutes are over, so all that is left is to write the model.
    assert run([*typed, "--resume", "--max-minutes", "0.000001"]) == 0
    assert (corpus / "dual" / "model.safetensors").exists()


@pytest.mark.parametrize("passages", [False, True])
def test_serving_scores_as_training_does(checkpoint: Callable[[str], Path], corpus: Path, passages: bool) -> None:
    """The folder that training leaves gives, through the door of the search, the score that training computed."""
    from codeseek.encoders import load_encoder
    from codeseek.encoders.feeding import parse_feeding
    from codeseek.encoders.passages import SOURCE_MAX_TOKENS, PassageSelector
    from codeseek.rankers import load_ranker
    from codeseek.train.data import TrainingSet, load_training_set
    from codeseek.train.development import cross_scorer, dual_scorer
    from codeseek.train.folders import load_head
    from codeseek.train.inputs import Assembler
    from codeseek.train.models import (
        CrossEncoder,
        DualEncoder,
        TrunkOptions,
        load_trunk,
    )
    from codeseek.train.tokenizers import load_encode, load_tokenizer

    pairs = [json.loads(line) for line in (corpus / "pairs.jsonl").read_text().splitlines()]
    for number, pair in enumerate(pairs):  # the last words of a long document are its query's
        pair["document"] += " open close name path " * (2 + number % 20) + pair["query"]
    (corpus / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    more = {"cross": [] if passages else ["--no-passages"], "dual": []}
    for kind in more:
        typed = arguments(kind, checkpoint("bert"), corpus, "--max-steps", "1", "--learning-rate", "0.01")
        assert run([*typed, "--document-tokens", "60", *more[kind]]) == 0
    tokenizer = load_tokenizer(corpus / "cross")

    def read(document_max_tokens: int) -> TrainingSet:
        return load_training_set(
            corpus / "pairs.jsonl",
            None,
            load_encode(tokenizer),
            tokenizer_name="any",
            vocabulary_size=len(tokenizer),
            query_max_tokens=62,
            document_max_tokens=document_max_tokens,
            cache_dir=corpus / "cache",
        )

    training = {"cross": read(SOURCE_MAX_TOKENS if passages else 60), "dual": read(60)}
    assert max(training["cross"].documents.lengths) > (80 if passages else 59)
    cutter = {"cross": PassageSelector(tokenizer.convert_ids_to_tokens) if passages else None, "dual": None}
    queries, documents = np.arange(3), np.array([[0, 5], [7, 1], [2, 11]])
    texts = [[pairs[row]["document"] for row in rows] for rows in documents]

    def assembler(kind: str) -> Assembler:
        feeding = parse_feeding(json.loads((corpus / kind / "codeseek.json").read_text()), kind)
        return Assembler(training[kind], feeding, 900, 0, cutter[kind])

    model = CrossEncoder(load_trunk(corpus / "cross", TrunkOptions())).eval()
    assert load_head(model, corpus / "cross")
    expected = cross_scorer(model, assembler("cross"), False)(queries, documents)
    ranker = load_ranker(corpus / "cross", "cpu")
    for row in queries:
        assert np.allclose(ranker.rank(pairs[row]["query"], texts[row]), expected[row], atol=1e-5)

    encoder = load_encoder(corpus / "dual", "cpu")
    dual = DualEncoder(load_trunk(corpus / "dual", TrunkOptions())).eval()
    expected = dual_scorer(dual, assembler("dual"), False)(queries, documents)
    vectors = encoder.encode_queries([pairs[row]["query"] for row in queries])
    for row in queries:
        assert np.allclose(encoder.encode_documents(texts[row]) @ vectors[row], expected[row], atol=1e-5)
