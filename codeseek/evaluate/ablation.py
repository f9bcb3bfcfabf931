"""The paper's table on a data set's own splits: dual-encoder, RR with three sources of negatives; k, lambda and M.

One dual-encoder is trained first. It embeds the training codes, whose rankings are what PS draws from, and it is the
first stage of every cross-encoder compared: only the negatives, lambda and M differ between them. As in the paper the
ranker's score replaces the first stage's over the first k.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codeseek.chunkers.context import encoder_text
from codeseek.errors import FileError, ModelError, UsageError
from codeseek.evaluate.ablation_table import AblationTable, Plan, compare
from codeseek.evaluate.datasets import DataSet, TrainingPair, load_dataset, load_training_pairs
from codeseek.evaluate.job import thin_out
from codeseek.types import Encoder, Ranker

__all__ = ["AblationOptions", "ablate"]

BLOCK_QUERIES = 512
# As the trainer's own defaults; RoBERTa counts positions from 2 on, and special tokens want a place.
QUERY_MAX_TOKENS, DOCUMENT_MAX_TOKENS, MAX_TOKENS = 62, 158, 192
RESERVED_POSITIONS = 4
DUAL_BATCH = 64
VALIDATION_QUERIES = 300  # a part
DUAL_SHARES = 2  # the dual-encoder gets twice the time of a cross-encoder: everything stands on it


@dataclass(frozen=True, slots=True)
class AblationOptions:
    """Args:
    split: Evaluated on.
    queries: A part, at most; 0 for all.
    max_minutes: Wall minutes of all training together, shared out evenly.
    max_pairs: Training pairs, at most.
    max_steps: Of each training, besides; 0 for no limit.
    negatives: M of the main rows; 31 in the paper.
    other_negatives: Further M, for PS.
    lambdas: Further lambdas, for PS.
    depths: k.
    seed: Of everything drawn.
    device: auto, cpu or cuda.
    """

    split: str = "test"
    queries: int = 0
    max_minutes: float = 60.0
    max_pairs: int = 20_000
    max_steps: int = 0
    negatives: int = 7
    other_negatives: tuple[int, ...] = (3, 15)
    lambdas: tuple[float, ...] = (0.002, 0.004, 0.01)
    depths: tuple[int, ...] = (5, 10, 20)
    seed: int = 0
    device: str = "auto"


def ablate(
    name: str, folder: Path, base: Path, out: Path, options: AblationOptions, *, report: Callable[[str], None]
) -> AblationTable:
    """Trains and compares.

    Args:
        name: The data set.
        folder: Its published files, the train split among them.
        base: The model that every training starts from, in the hub's layout.
        out: Keeps pairs, rankings and models; trainings that are complete there are not repeated.
        options: Sizes and limits.
        report: Told what is being done.

    Raises:
        UsageError: If the data set has no train split, or too few pairs.
        CodeseekError: As the readers and the trainer.
    """
    from codeseek.encoders import load_encoder
    from codeseek.rankers import load_ranker

    pairs = load_training_pairs(name, folder, options.max_pairs)
    if len(pairs) <= options.negatives + 1:
        raise UsageError(f"{folder} has {len(pairs)} training pairs, wanted more than {options.negatives + 1}")
    dataset = thin_out(load_dataset(name, folder, options.split), options.queries)
    _write_pairs(out, pairs)
    _remember(out, name, base, len(pairs), options)
    plans = _plans(options)
    minutes = options.max_minutes / (len(plans) + DUAL_SHARES)
    report(
        f"{len(pairs):,} pairs; {DUAL_SHARES * minutes:.1f} minutes for the dual-encoder, "
        f"{minutes:.1f} for each of {len(plans)} cross-encoders"
    )
    distinct = len({pair.document_id for pair in pairs})
    _train_dual(base, out, distinct, options, minutes * DUAL_SHARES, report)
    encoder = load_encoder(out / "dual", options.device)
    _write_ranking(out, pairs, encoder, options)
    rankers: dict[str, Ranker] = {}
    for plan in plans:
        _train_cross(base, out, plan, len(pairs), options, minutes, report)
        rankers[plan.name] = load_ranker(out / _slug(plan), options.device)
    validation = _load_validation(name, folder, dataset, options)
    return compare(
        dataset, validation, len(pairs), encoder, [(plan, rankers[plan.name]) for plan in plans], options.depths
    )


def _load_validation(name: str, folder: Path, dataset: DataSet, options: AblationOptions) -> DataSet | None:
    """Queries that a blend's weight may be found on: of the valid split, if it is there and not what is evaluated."""
    try:
        found = load_dataset(name, folder, "valid")
    except (FileError, UsageError):
        return None
    same = found.parts[0].queries.keys() & dataset.parts[0].queries.keys() if options.split != "valid" else {"": ""}
    return None if same else thin_out(found, VALIDATION_QUERIES)


def _plans(options: AblationOptions) -> list[Plan]:
    main = options.negatives
    plans = [
        Plan("RR, random", "random", main, 0.0),
        Plan("RR, in-batch", "in-batch", main, 0.0),
        Plan("RR + PS", "ps", main, 0.0),
    ]
    plans += [Plan(f"RR + PS, lambda {value:g}", "ps", main, value) for value in options.lambdas]
    plans += [Plan(f"RR + PS, M {count}", "ps", count, 0.0) for count in options.other_negatives]
    return plans


def _slug(plan: Plan) -> str:
    return f"cross-{plan.source}-m{plan.negatives}-l{plan.lambda_:g}"


def _write_pairs(out: Path, pairs: Sequence[TrainingPair]) -> None:
    """The pairs as the trainer reads them; unchanged files keep their times, by which the trainer keeps its tokens."""
    lines = [
        {
            "query": pair.query,
            "document": encoder_text(pair.document),
            "repository": "",
            "language": pair.document.language,
            "kind": "published",
            "document_id": pair.document_id,
            "query_id": str(number),
        }
        for number, pair in enumerate(pairs)
    ]
    _write_lines(out / "pairs.jsonl", lines)


def _remember(out: Path, name: str, base: Path, pairs: int, options: AblationOptions) -> None:
    """Keeps what the trainings depend on, so that models of another ablation are not taken for this one's."""
    record = {"dataset": name, "base": str(base.resolve()), "pairs": pairs}
    record |= {key: getattr(options, key) for key in ("max_minutes", "max_steps", "seed")}
    path = out / "settings.json"
    try:
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) != record:
            raise UsageError(f"{out} holds an ablation with other settings, see {path}", hint="name another --out DIR")
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise FileError(f"cannot read or write {path}: {error}") from error


def _write_lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    text = "".join(json.dumps(record) + "\n" for record in records)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error


def _write_ranking(out: Path, pairs: Sequence[TrainingPair], encoder: Encoder, options: AblationOptions) -> None:
    """What the dual-encoder ranks first among the training codes, as deep as the last window goes."""
    texts: dict[str, str] = {}
    for pair in pairs:
        texts.setdefault(pair.document_id, encoder_text(pair.document))
    names = list(texts)
    place = {name: row for row, name in enumerate(names)}
    documents = encoder.encode_documents(list(texts.values()))
    queries = encoder.encode_queries([pair.query for pair in pairs])
    most = max((options.negatives, *options.other_negatives))
    depth = min(len(names), int(len(names) * max((0.0, *options.lambdas))) + 2 * most + 8)
    records = []
    for start in range(0, len(pairs), BLOCK_QUERIES):
        scores = queries[start : start + BLOCK_QUERIES] @ documents.T  # [block, N]
        found = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        values = np.take_along_axis(scores, found, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        for row, (listed, ranked) in enumerate(
            zip(np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1), strict=True)
        ):
            own = place[pairs[start + row].document_id]
            records.append(
                {
                    "query_id": str(start + row),
                    "documents": [names[at] for at in listed],
                    "scores": [round(float(value), 5) for value in ranked],
                    "positive_score": round(float(scores[row, own]), 5),
                }
            )
    _write_lines(out / "ranking.jsonl", records)


# ------------------------------------------------------------------------------------------------------------- training


def _loop(batch: int, minutes: float, options: AblationOptions) -> Any:
    from codeseek.train.loop import LoopOptions

    return LoopOptions(batch=batch, epochs=10, max_steps=options.max_steps, max_minutes=minutes, seed=options.seed)


def _data(base: Path, out: Path, ranking: Path | None = None, depth: int = 1) -> tuple[Any, int]:
    """What the trainer reads, cut so that it fits the model, and the most tokens of one input."""
    from codeseek.train.plans import Data

    try:
        positions = int(json.loads((base / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"cannot read the size of the model {base}: {error}", hint="a model in the hub's layout"
        ) from error
    most = min(MAX_TOKENS, positions - RESERVED_POSITIONS)
    data = Data(
        out / "pairs.jsonl",
        ranking=ranking,
        depth=depth,
        query_max_tokens=min(QUERY_MAX_TOKENS, most // 2),
        document_max_tokens=min(DOCUMENT_MAX_TOKENS, most - RESERVED_POSITIONS),
    )
    return data, most


def _is_complete(folder: Path) -> bool:
    """Whether a training of an earlier run left its model."""
    return (folder / "model.safetensors").exists() and (folder / "codeseek.json").exists()


def _train_dual(
    base: Path, out: Path, documents: int, options: AblationOptions, minutes: float, report: Callable[[str], None]
) -> None:
    from codeseek.train.jobs import train_dual
    from codeseek.train.models import bf16_is_faster
    from codeseek.train.objectives import DualOptions
    from codeseek.train.plans import DualJob

    if _is_complete(out / "dual"):
        return
    report("training the dual-encoder")
    job = DualJob(
        model=base,
        out=out / "dual",
        data=_data(base, out)[0],
        loop=_loop(min(DUAL_BATCH, max(2, documents // 2)), minutes, options),
        device=options.device,
        options=DualOptions(bf16=bf16_is_faster(options.device), cached=False),
    )
    train_dual(job, resume=False, report=lambda line: None, on_trainer=lambda trainer: None)


def _train_cross(
    base: Path,
    out: Path,
    plan: Plan,
    pairs: int,
    options: AblationOptions,
    minutes: float,
    report: Callable[[str], None],
) -> None:
    from codeseek.train.jobs import train_cross
    from codeseek.train.models import bf16_is_faster
    from codeseek.train.objectives import CrossOptions
    from codeseek.train.plans import CrossJob, Source
    from codeseek.train.sampling import WindowSettings

    if _is_complete(out / _slug(plan)):
        return
    report(f"training the cross-encoder: {plan.name}")
    source = Source(plan.source)
    with (out / "ranking.jsonl").open(encoding="utf-8") as lines:
        depth = len(json.loads(next(lines))["documents"])
    data, max_tokens = _data(base, out, out / "ranking.jsonl" if source is Source.RANKING else None, depth)
    job = CrossJob(
        model=base,
        out=out / _slug(plan),
        data=data,
        max_tokens=max_tokens,
        loop=_loop(plan.negatives + 1, minutes, options),
        window=WindowSettings(lambda_=plan.lambda_, corpus_size=pairs),
        device=options.device,
        source=source,
        options=CrossOptions(negatives=plan.negatives, bf16=bf16_is_faster(options.device)),
    )
    train_cross(job, resume=False, report=lambda line: None, on_trainer=lambda trainer: None)
