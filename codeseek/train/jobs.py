"""The jobs, from file names to a model folder: `train_cross`, `train_dual`, `train_documents`, `train_queries`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from codeseek.device import resolve_device
from codeseek.encoders.feeding import Feeding, feeding_record
from codeseek.encoders.passages import PassageSelector
from codeseek.errors import FileError, UsageError
from codeseek.train.cross import CrossObjective
from codeseek.train.data import TrainingSet
from codeseek.train.development import (
    DevelopmentPools,
    Scorer,
    cross_scorer,
    dual_scorer,
    reranking_measures,
    run_passes,
)
from codeseek.train.distil import DistilObjective
from codeseek.train.dual import DualObjective
from codeseek.train.folders import load_description, load_head, save_cross, save_dual
from codeseek.train.inputs import Assembler
from codeseek.train.loop import Trainer
from codeseek.train.models import CrossEncoder, DualEncoder, TrunkOptions, load_trunk, torch
from codeseek.train.objectives import Objective
from codeseek.train.plans import CrossJob, DocumentsJob, DualJob, Job, QueriesJob, flat_record
from codeseek.train.queries import QueriesObjective
from codeseek.train.rankings import TeacherScores, load_ranking
from codeseek.train.sampling import RandomNegatives
from codeseek.train.settings import (
    EVALUATION_BUDGET,
    Setting,
    cross_source,
    load_set,
    ranking_source,
    set_up,
    single_max_tokens,
)
from codeseek.train.world import World, close_world, open_world

__all__ = ["train_cross", "train_documents", "train_dual", "train_queries"]

Report = Callable[[Mapping[str, Any]], None]


def train_cross(
    job: CrossJob, *, resume: bool, report: Report, on_trainer: Callable[[Trainer], None] = lambda trainer: None
) -> Path:
    """Trains a cross-encoder and returns its folder.

    Args:
        job: What to do.
        resume: Go on from the checkpoint in the job's folder.
        report: Called with each line of the log; the first one tells what the negatives come from.
        on_trainer: Called with the trainer before it runs, so that a signal can stop it.

    Raises:
        CodeseekError: As the parts say.
    """
    world = open_world(resolve_device(job.device))
    try:
        setting = set_up(job, world)
        model = CrossEncoder(setting.trunk, bounded=job.bounded)
        load_head(model, job.model)
        model.to(setting.device)
        head = "dense-tanh-linear-tanh" if job.bounded else "dense-tanh-linear"
        feeding = _feeding(job, setting, "cross-encoder", "mean", job.max_tokens, head, passages=job.passages)
        assembler = _assembler(setting, feeding)
        source, facts = cross_source(job, setting)
        teacher = None
        if job.data.teacher is not None:
            teacher = TeacherScores(setting.training, load_ranking(job.data.teacher, setting.training, job.data.depth))
        first_stage = None
        if job.options.residual:
            if job.data.ranking is None:
                raise UsageError("a residual needs the first stage's scores", hint="--ranking FILE")
            ranking = load_ranking(job.data.ranking, setting.training, job.data.depth)
            first_stage = TeacherScores(setting.training, ranking)
        objective = CrossObjective(
            world.wrap(model),
            assembler,
            source,
            job.options,
            teacher=teacher,
            first_stage=first_stage,
            world=world,
        )

        def save(folder: Path) -> None:
            save_cross(model, setting.tokenizer, _described(feeding, job), folder)
            _write_record(job, folder)

        def scorer(development: Assembler) -> Scorer:
            return cross_scorer(model, development, job.options.bf16)

        return _run(job, setting, objective, model, save, scorer, feeding, facts, resume, report, on_trainer)
    finally:
        close_world(world)


def train_dual(
    job: DualJob, *, resume: bool, report: Report, on_trainer: Callable[[Trainer], None] = lambda trainer: None
) -> Path:
    """Trains a dual-encoder and returns its folder; arguments and errors as in `train_cross`."""
    world = open_world(resolve_device(job.device))
    try:
        setting = set_up(job, world)
        model = DualEncoder(setting.trunk, pooling=job.pooling)
        model.to(setting.device)
        feeding = _feeding(job, setting, "dual-encoder", job.pooling, single_max_tokens(job, setting.frame))
        source, facts = ranking_source(job, setting) if job.options.hard_negatives else (None, {})
        objective = DualObjective(
            world.wrap(model),
            _assembler(setting, feeding),
            setting.relevance,
            source,
            job.options,
            world=world,
        )

        def save(folder: Path) -> None:
            save_dual(model, setting.tokenizer, _described(feeding, job), folder)
            _write_record(job, folder)

        def scorer(development: Assembler) -> Scorer:
            return dual_scorer(model, development, job.options.bf16)

        return _run(job, setting, objective, model, save, scorer, feeding, facts, resume, report, on_trainer)
    finally:
        close_world(world)


def train_documents(
    job: DocumentsJob, *, resume: bool, report: Report, on_trainer: Callable[[Trainer], None] = lambda trainer: None
) -> Path:
    """Trains a smaller encoder of documents for a dual-encoder; arguments and errors as in `train_cross`."""
    if not job.trunk.layers:
        raise UsageError("an encoder of documents is made of some of the layers", hint="--layers N")
    world = open_world(resolve_device(job.device))
    try:
        setting, model, teacher, feeding = _half(job, world, "documents")
        source = RandomNegatives(setting.training, setting.relevance, same_repository=True)
        objective = DistilObjective(
            model, teacher, _assembler(setting, feeding), setting.relevance, source, job.options
        )

        def save(folder: Path) -> None:
            save_dual(model, setting.tokenizer, _described(feeding, job), folder)
            _write_record(job, folder)

        def scorer(development: Assembler) -> Scorer:
            return dual_scorer(model, development, job.options.bf16, queries_model=teacher)

        return _run(job, setting, objective, model, save, scorer, feeding, {}, resume, report, on_trainer)
    finally:
        close_world(world)


def train_queries(
    job: QueriesJob, *, resume: bool, report: Report, on_trainer: Callable[[Trainer], None] = lambda trainer: None
) -> Path:
    """Trains an encoder of queries for the documents of a dual-encoder; arguments and errors as in `train_cross`.

    All documents are encoded first.
    """
    world = open_world(resolve_device(job.device))
    try:
        setting, model, origin, feeding = _half(job, world, "queries")
        assembler = _assembler(setting, feeding)
        everything = replace(assembler, budget_tokens=EVALUATION_BUDGET * setting.budget_tokens)
        rows = np.arange(len(setting.training.documents))
        report({"documents_to_encode": len(rows)})  # which is silent, and may take as long as the run
        vectors = run_passes(origin, everything.documents(rows), job.options.bf16)
        objective = QueriesObjective(model, vectors, assembler, setting.relevance, job.options)

        def mixed() -> DualEncoder:
            made = deepcopy(origin)
            with torch.no_grad():
                for ours, trained in zip(made.parameters(), model.parameters(), strict=True):
                    ours.lerp_(trained, job.mix)
            return made

        def save(folder: Path) -> None:
            save_dual(mixed(), setting.tokenizer, _described(feeding, job), folder)
            _write_record(job, folder)

        def scorer(development: Assembler) -> Scorer:
            def score(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
                judge = dual_scorer(origin, development, job.options.bf16, queries_model=mixed())
                return judge(queries, documents)

            return score

        return _run(job, setting, objective, model, save, scorer, feeding, {}, resume, report, on_trainer)
    finally:
        close_world(world)


def _half(job: Job, world: World, half: str) -> tuple[Setting, DualEncoder, DualEncoder, Feeding]:
    """What training one half of a dual-encoder needs: the setting, what is trained, the whole as it is, the feeding."""
    if world.size > 1:
        raise UsageError(f"an encoder of {half} is trained by one process, not {world.size}")
    description = load_description(job.model)
    if description.data_flow:
        raise UsageError(f"{job.model} reads data flow, which an encoder of {half} cannot be taught")
    setting, pooling = set_up(job, world), description.pooling
    model = DualEncoder(setting.trunk, pooling=pooling)
    whole = DualEncoder(load_trunk(job.model, TrunkOptions(attention=job.trunk.attention)), pooling=pooling)
    feeding = _feeding(job, setting, "dual-encoder", pooling, single_max_tokens(job, setting.frame))
    return setting, model.to(setting.device), whole.to(setting.device).eval(), feeding


def _feeding(
    job: Job, setting: Setting, kind: str, pooling: str, max_tokens: int, head: str = "", *, passages: bool = False
) -> Feeding:
    return Feeding(
        kind=kind,
        pooling=pooling,
        query_max_tokens=job.data.query_max_tokens,
        document_max_tokens=job.data.document_max_tokens,
        max_tokens=max_tokens,
        head=head,
        passages=passages,
        **asdict(setting.frame),
    )


def _described(feeding: Feeding, job: Job) -> dict[str, Any]:
    """What `codeseek.json` says. A model that wants data flow says so, and readers that cannot give it refuse."""
    return feeding_record(feeding) | ({"data_flow": True} if job.data_flow else {})


def _assembler(setting: Setting, feeding: Feeding, development: TrainingSet | None = None) -> Assembler:
    """Of the training set, or of one that is judged by, in larger passes."""
    passages = PassageSelector(setting.tokenizer.convert_ids_to_tokens) if feeding.passages else None
    training, budget = setting.training, setting.budget_tokens
    if development is not None:
        training, budget = development, EVALUATION_BUDGET * budget
    return Assembler(training, feeding, budget, setting.tokenizer.unk_token_id or 0, passages)


def _development(
    job: Job, setting: Setting, feeding: Feeding, scorer: Callable[[Assembler], Scorer]
) -> Callable[[], Mapping[str, float]] | None:
    wanted = job.development
    if wanted is None:
        return None
    loaded = load_set(job, wanted.pairs, wanted.documents, setting.tokenizer)
    pools = DevelopmentPools(loaded, load_ranking(wanted.ranking, loaded, wanted.depth), wanted.queries, wanted.depth)
    score = scorer(_assembler(setting, feeding, loaded))
    return lambda: reranking_measures(pools, score)


def _write_record(job: Job, folder: Path) -> None:
    """Leaves every option of the run beside the model."""
    try:
        (folder / "training.json").write_text(json.dumps(flat_record(job), indent=2), encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot write to {folder}: {error.strerror}") from error


def _run(
    job: Job,
    setting: Setting,
    objective: Objective,
    model: Any,
    save: Callable[[Path], None],
    scorer: Callable[[Assembler], Scorer],
    feeding: Feeding,
    facts: Mapping[str, Any],
    resume: bool,
    report: Report,
    on_trainer: Callable[[Trainer], None],
) -> Path:
    trainer = Trainer(
        objective,
        model,
        setting.training,
        job.loop,
        job.out,
        record=flat_record(job),
        save=save,
        evaluate=_development(job, setting, feeding, scorer),
        report=report,
        world=setting.world,
    )
    if setting.world.leads:
        lengths = setting.training.documents.lengths[setting.training.positive]
        read = np.minimum(lengths, job.data.document_max_tokens)  # passages are chosen from more
        report(
            {
                "pairs": len(setting.training),
                "documents": len(setting.training.documents),
                "repositories": len(np.unique(setting.training.repository)),
                "median_document_tokens": int(np.median(read)),
                "steps": trainer.total_steps,
                **facts,
            }
        )
    on_trainer(trainer)
    trainer.run(resume=resume)
    return job.out
