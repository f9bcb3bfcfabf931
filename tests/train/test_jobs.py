"""Whole runs of a few steps: each architecture, resume, distillation, two processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from codeseek.encoders import load_encoder  # noqa: E402
from codeseek.errors import DataError, UsageError  # noqa: E402
from codeseek.train.jobs import train_cross, train_documents, train_dual, train_queries  # noqa: E402
from codeseek.train.loop import LoopOptions, Trainer, learning_rate_factor  # noqa: E402
from codeseek.train.models import TrunkOptions  # noqa: E402
from codeseek.train.objectives import CrossOptions, DistilOptions, DualOptions, QueriesOptions  # noqa: E402
from codeseek.train.plans import (  # noqa: E402
    CrossJob,
    Data,
    Development,
    DocumentsJob,
    DualJob,
    Job,
    QueriesJob,
    Source,
)
from codeseek.train.sampling import WindowSettings  # noqa: E402
from codeseek.train.tokenizers import load_encode, load_offsets, load_tokenizer  # noqa: E402

LOOP = LoopOptions(batch=4, max_steps=6, epochs=9, learning_rate=3e-3, log_every=1)


def data_of(corpus: Path) -> Data:
    return Data(corpus / "pairs.jsonl", corpus / "documents.jsonl", corpus / "ranking.jsonl", document_max_tokens=60)


def cross_job(model: Path, corpus: Path, out: str, **changes: Any) -> CrossJob:
    options = CrossOptions(negatives=3, bf16=False)
    return replace(
        CrossJob(model=model, out=corpus / out, data=data_of(corpus), loop=LOOP, max_tokens=96, options=options),
        **changes,
    )


def dual_job(model: Path, corpus: Path, out: str, **changes: Any) -> DualJob:
    options = DualOptions(bf16=False)
    return replace(DualJob(model=model, out=corpus / out, data=data_of(corpus), loop=LOOP, options=options), **changes)


def documents_job(model: Path, corpus: Path, out: str, **changes: Any) -> DocumentsJob:
    data, trunk = replace(data_of(corpus), ranking=None), TrunkOptions(layers=(0,), freeze_tokens=True)
    options = DistilOptions(bf16=False)
    return replace(
        DocumentsJob(model=model, out=corpus / out, data=data, trunk=trunk, loop=LOOP, options=options), **changes
    )


def queries_job(model: Path, corpus: Path, out: str, **changes: Any) -> QueriesJob:
    data, trunk = replace(data_of(corpus), ranking=None), TrunkOptions(freeze_tokens=True)
    options = QueriesOptions(bf16=False)
    return replace(
        QueriesJob(model=model, out=corpus / out, data=data, trunk=trunk, loop=LOOP, options=options, mix=1.0),
        **changes,
    )


def run(job: Job, **arguments: Any) -> list[dict[str, Any]]:
    """Runs a job and returns the lines of its log."""
    train = {
        CrossJob: train_cross,
        DualJob: train_dual,
        DocumentsJob: train_documents,
        QueriesJob: train_queries,
    }[type(job)]
    train(job, **{"resume": False, "report": lambda line: None, **arguments})
    return [json.loads(line) for line in (job.out / "log.jsonl").read_text().splitlines()]


def losses(log: list[dict[str, Any]]) -> list[float]:
    return [line["loss"] for line in log if "loss" in line]


@pytest.mark.parametrize("architecture", ["bert", "codebert", "unixcoder", "graphcodebert"])
def test_each_architecture_trains_both_ways_and_goes_on_from_its_own_folder(
    checkpoint: Callable[[str], Path], corpus: Path, architecture: str
) -> None:
    flow = architecture == "graphcodebert"
    short = replace(LOOP, max_steps=2)
    cross = cross_job(checkpoint(architecture), corpus, "cross", loop=short, data_flow=flow)
    dual = dual_job(checkpoint(architecture), corpus, "dual", loop=short, data_flow=flow)
    for job in (cross, dual):
        assert all(np.isfinite(losses(run(job))))
        description = json.loads((job.out / "codeseek.json").read_text())
        assert description.get("data_flow", False) == flow
        again = replace(job, model=job.out, out=corpus / "again" / job.out.name)
        assert all(np.isfinite(losses(run(again))))
    assert (corpus / "cross" / "head.safetensors").exists()
    assert (corpus / "dual" / "1_Pooling" / "config.json").exists()


def test_data_flow_changes_what_the_model_sees(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    model = checkpoint("graphcodebert")
    plain, flow = (
        losses(run(dual_job(model, corpus, name, data_flow=name == "flow", loop=replace(LOOP, max_steps=1))))
        for name in ("plain", "flow")
    )
    assert plain != flow


def test_data_flow_is_refused_where_no_model_reads_it(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    with pytest.raises(UsageError, match="got bert with sdpa"):
        run(dual_job(checkpoint("bert"), corpus, "flow", data_flow=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dual": Path("dual"), "source": Source.REPOSITORY}, "--dual ranks the documents for --source ps alone"),
        ({"dual_at_home": True, "source": Source.RANKING}, "--dual-at-home says where --dual ranks"),
    ],
)
def test_an_option_without_effect_is_refused(
    checkpoint: Callable[[str], Path], corpus: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(cross_job(checkpoint("bert"), corpus, "cross", **changes))


def test_a_text_that_no_encoding_holds_is_read_as_in_serving(checkpoint: Callable[[str], Path]) -> None:
    tokenizer = load_tokenizer(checkpoint("bert"))
    assert load_encode(tokenizer)(["open \ud83d"], 9) == load_encode(tokenizer)(["open ?"], 9)
    assert load_offsets(tokenizer)("open \ud83d", 9) == load_offsets(tokenizer)("open ?", 9)


def test_passages_are_refused_beside_data_flow(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    with pytest.raises(UsageError, match="passages have no data flow"):
        run(cross_job(checkpoint("graphcodebert"), corpus, "flow", data_flow=True, passages=True))


def test_training_lowers_the_loss_and_keeps_the_best(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    judged = Development(corpus / "pairs.jsonl", corpus / "documents.jsonl", corpus / "ranking.jsonl", 0, 10)
    loop = replace(LOOP, max_steps=40, epochs=99, evaluate_every=20)
    log = run(dual_job(checkpoint("bert"), corpus, "dual", loop=loop, development=judged))
    assert losses(log)[-1] < losses(log)[0] / 2
    measures = [line for line in log if "MRR" in line]
    assert measures[0]["first_stage_MRR"] == 0.5
    assert measures[-1]["MRR"] > 0.7
    assert [line["step"] for line in measures] == [20, 40]
    assert (corpus / "dual" / "last" / "model.safetensors").exists()


class Killed(Exception):
    pass


@pytest.mark.parametrize("kind", ["cross", "dual", "documents", "queries"])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    checkpoint: Callable[[str], Path], corpus: Path, kind: str
) -> None:
    """Killed two steps behind its last checkpoint, with dropout, accumulation and sampled negatives."""
    changes: dict[str, Any] = {
        "trunk": TrunkOptions(dropout=0.1),
        "loop": replace(LOOP, batch=2, accumulate=2, save_minutes=99.0),
        "window": WindowSettings(size=6),
    }
    make = {"cross": cross_job, "dual": dual_job, "documents": documents_job, "queries": queries_job}[kind]
    if kind == "documents":
        changes["trunk"] = TrunkOptions(layers=(0,), dropout=0.1)
    if kind == "dual":
        changes["options"] = DualOptions(bf16=False, hard_negatives=1)
    whole = run(make(checkpoint("bert"), corpus, "whole", **changes))
    broken = make(checkpoint("bert"), corpus, "broken", **changes)

    def kill(line: dict[str, Any]) -> None:
        if line.get("step") == 5:
            raise Killed

    def stop_after_3(trainer: Trainer) -> None:
        logged = trainer._log

        def log(line: dict[str, Any]) -> None:
            logged(line)
            if line["step"] == 3:
                trainer.stop()

        trainer._log = log

    run(broken, on_trainer=stop_after_3)
    assert not (broken.out / "model.safetensors").exists()
    with pytest.raises(Killed):
        run(broken, resume=True, report=kill)
    resumed = run(broken, resume=True)
    assert [line["step"] for line in resumed] == [1, 2, 3, 4, 5, 6]
    assert losses(resumed) == losses(whole)
    assert [line["learning_rate"] for line in resumed] == [line["learning_rate"] for line in whole]
    for file in ("model.safetensors", *(["head.safetensors"] if kind == "cross" else [])):
        assert (broken.out / file).read_bytes() == (corpus / "whole" / file).read_bytes()


def test_a_run_is_neither_overwritten_nor_continued_with_other_options(
    checkpoint: Callable[[str], Path], corpus: Path
) -> None:
    job = cross_job(checkpoint("bert"), corpus, "run", loop=replace(LOOP, max_steps=1))
    run(job)
    with pytest.raises(UsageError, match="holds a run already") as caught:
        run(job)
    assert "--resume" in caught.value.hint
    with pytest.raises(UsageError, match=r"began with loop.learning_rate = 0.003, it cannot go on with 1.0"):
        run(replace(job, loop=replace(job.loop, learning_rate=1.0)), resume=True)
    elsewhere = replace(job, options=replace(job.options, bf16=True))  # which `--precision auto` measures
    assert len(losses(run(elsewhere, resume=True))) == 1
    with pytest.raises(DataError, match="cannot read a checkpoint"):
        run(replace(job, out=corpus / "nothing"), resume=True)


def test_too_few_pairs_for_a_batch(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    with pytest.raises(DataError, match="24 pairs do not fill a batch of 25 queries"):
        run(cross_job(checkpoint("bert"), corpus, "run", loop=replace(LOOP, batch=25)))


@pytest.mark.parametrize("source", list(Source))
def test_every_source_of_negatives_trains(checkpoint: Callable[[str], Path], corpus: Path, source: Source) -> None:
    job = cross_job(checkpoint("bert"), corpus, "run", source=source, loop=replace(LOOP, max_steps=1))
    lines: list[dict[str, Any]] = []
    run(job, report=lines.append)
    # Each of the 24 rankings of 10 documents holds its positive.
    assert lines[0].get("relevant") == (24 if source is Source.RANKING else None)


@pytest.mark.parametrize("architecture", ["bert", "graphcodebert"])
def test_negatives_from_a_trained_dual_encoder(
    checkpoint: Callable[[str], Path], corpus: Path, architecture: str
) -> None:
    flow = architecture == "graphcodebert"
    run(dual_job(checkpoint(architecture), corpus, "dual", loop=replace(LOOP, max_steps=1), data_flow=flow))
    job = cross_job(checkpoint("bert"), corpus, "cross", dual=corpus / "dual", loop=replace(LOOP, max_steps=1))
    lines: list[dict[str, Any]] = []
    run(job, report=lines.append)
    # All 24 documents are ranked for each of the 24 queries.
    assert lines[0]["candidates"] == 24 * 24
    assert lines[0]["relevant"] == 24


@pytest.mark.parametrize("loss", ["kl", "margin-mse"])
def test_a_teacher_takes_part(checkpoint: Callable[[str], Path], corpus: Path, loss: str) -> None:
    plain = cross_job(checkpoint("bert"), corpus, "plain", loop=replace(LOOP, max_steps=1))
    taught = replace(
        plain,
        out=corpus / "taught",
        data=replace(plain.data, teacher=corpus / "ranking.jsonl"),
        options=replace(plain.options, teacher_weight=0.5, teacher_loss=loss),
    )
    assert losses(run(plain)) != losses(run(taught))


def test_a_residual_takes_the_first_stages_scores_into_the_loss(
    checkpoint: Callable[[str], Path], corpus: Path
) -> None:
    plain = cross_job(checkpoint("bert"), corpus, "plain", loop=replace(LOOP, max_steps=1))
    residual = replace(plain, out=corpus / "residual", options=replace(plain.options, residual=1.0))
    assert losses(run(plain)) != losses(run(residual))
    nothing = replace(residual, out=corpus / "nothing", source=Source.RANDOM, data=replace(plain.data, ranking=None))
    with pytest.raises(UsageError, match="needs the first stage's scores"):
        run(nothing)


def test_an_encoder_of_documents_approaches_its_teacher(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    loop = replace(LOOP, max_steps=40, epochs=99)
    run(dual_job(checkpoint("bert"), corpus, "teacher", loop=loop))
    teacher = corpus / "teacher"
    judged = Development(corpus / "pairs.jsonl", corpus / "documents.jsonl", corpus / "ranking.jsonl", 0, 10)
    texts = [json.loads(line)["text"] for line in (corpus / "documents.jsonl").read_text().splitlines()]
    apart = []
    for name, rate in (("untaught", 1e-12), ("taught", 3e-3)):
        changed = replace(loop, learning_rate=rate)
        job = documents_job(teacher, corpus, name, loop=changed, development=judged)
        assert run(job)[-1]["MRR"] > 0
        student, model = load_encoder(job.out, "cpu"), load_encoder(teacher, "cpu")
        apart.append(1 - (student.encode_documents(texts) * model.encode_documents(texts)).sum(axis=1).mean())
    assert apart[1] < apart[0] / 2
    assert json.loads((job.out / "config.json").read_text())["num_hidden_layers"] == 1
    with pytest.raises(UsageError, match="some of the layers"):
        run(replace(job, out=corpus / "all", trunk=TrunkOptions()))


def test_an_encoder_of_queries_comes_nearer_to_documents_that_stay(
    checkpoint: Callable[[str], Path], corpus: Path
) -> None:
    judged = Development(corpus / "pairs.jsonl", corpus / "documents.jsonl", corpus / "ranking.jsonl", 0, 10)
    measured = []
    for name, rate in (("untaught", 1e-12), ("taught", 3e-3)):
        loop = replace(LOOP, max_steps=40, epochs=99, learning_rate=rate, alike=1.0)
        options = QueriesOptions(scale=100.0, bf16=False)  # vectors of random weights lie close to one another
        log = run(queries_job(checkpoint("bert"), corpus, name, loop=loop, development=judged, options=options))
        measured.append((losses(log)[-1], log[-1]["MRR"]))
    assert measured[1][0] < measured[0][0] / 2
    # Against the documents of the model that it began as: those of a run that moves both would not do.
    assert measured[1][1] > measured[0][1] + 0.2


def test_an_encoder_of_queries_goes_part_of_the_way(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    from safetensors.numpy import load_file

    model = checkpoint("bert")
    states = [load_file(model / "model.safetensors")]
    for mix in (0.25, 1.0):
        job = queries_job(model, corpus, f"mix-{mix}", mix=mix)
        run(job)
        states.append(load_file(job.out / "model.safetensors"))
    name = "encoder.layer.0.output.dense.weight"
    start, part, whole = (state[name] for state in states)
    assert np.abs(whole - start).max() > 1e-3
    np.testing.assert_allclose(part, start + 0.25 * (whole - start), atol=1e-6)


@pytest.mark.parametrize("make", [documents_job, queries_job])
def test_half_a_dual_encoder_cannot_be_taught_data_flow(
    checkpoint: Callable[[str], Path], corpus: Path, make: Callable[[Path, Path, str], Job]
) -> None:
    run(dual_job(checkpoint("graphcodebert"), corpus, "teacher", loop=replace(LOOP, max_steps=1), data_flow=True))
    with pytest.raises(UsageError, match="reads data flow"):
        run(make(corpus / "teacher", corpus, "half"))


def test_schedule_rises_falls_and_follows_the_clock() -> None:
    factors = [learning_rate_factor(progress / 10, 0.2) for progress in range(11)]
    assert factors[:3] == [0.0, 0.5, 1.0]
    assert factors[-1] == 0.0
    assert factors[2:] == sorted(factors[2:], reverse=True)
    assert learning_rate_factor(0.0, 0.0) == 1.0


def test_the_clock_ends_a_run(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    loop = replace(LOOP, max_steps=0, epochs=10_000, max_minutes=0.03)
    log = run(dual_job(checkpoint("bert"), corpus, "run", loop=loop))
    assert 1 <= log[-1]["step"] < log[-1]["of"]
    assert log[-1]["learning_rate"] < 0.5 * LOOP.learning_rate


WORKER = """
import os
import sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
import torch
torch.set_num_threads(1)
from test_jobs import cross_job, dual_job, run
model, corpus = Path(sys.argv[1]), Path(sys.argv[2])
run(cross_job(model, corpus, "cross-2", source="in-batch"))
os.environ["MASTER_PORT"] = os.environ["SECOND_PORT"]  # a second group at the same address meets keys of the first
run(dual_job(model, corpus, "dual-2"))
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_processes_train_as_one(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    """Gathered negatives: each loss, of weights that all steps before have moved, is that of a single process."""
    model = checkpoint("bert")
    here = Path(__file__).parent
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    environment |= {name: str(_free_port()) for name in ("MASTER_PORT", "SECOND_PORT")}
    command = [sys.executable, "-c", WORKER, str(model), str(corpus), str(here), str(here.parent.parent)]
    processes = [
        subprocess.Popen(
            command,
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        single = {
            "cross": run(cross_job(model, corpus, "cross-1", source=Source.IN_BATCH)),
            "dual": run(dual_job(model, corpus, "dual-1")),
        }
        for process in processes:
            _, errors = process.communicate(timeout=100)
            assert process.returncode == 0, errors[-2000:]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for kind, alone in single.items():
        together = [json.loads(line) for line in (corpus / f"{kind}-2" / "log.jsonl").read_text().splitlines()]
        assert losses(together) == pytest.approx(losses(alone), rel=1e-4)
        # Adam forgives a wrong scale, so the gradients themselves are compared.
        norms = ([line["gradient_norm"] for line in log] for log in (together, alone))
        assert next(norms) == pytest.approx(next(norms), rel=1e-2)
