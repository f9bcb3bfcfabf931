"""What a training run is told: plain values, so that a run can be recorded, compared and continued."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from codeseek.train.loop import LoopOptions
from codeseek.train.models import TrunkOptions
from codeseek.train.objectives import CrossOptions, DistilOptions, DualOptions, QueriesOptions
from codeseek.train.sampling import WindowSettings

__all__ = [
    "CrossJob",
    "Data",
    "Development",
    "DocumentsJob",
    "DualJob",
    "Job",
    "QueriesJob",
    "Source",
    "flat_record",
]


class Source(StrEnum):
    """Where negatives come from."""

    RANDOM = "random"
    REPOSITORY = "repository"
    IN_BATCH = "in-batch"
    RANKING = "ps"


@dataclass(frozen=True, slots=True)
class Data:
    """Args:
    pairs: See `data`.
    documents: All documents that the ranking may name; None if the pairs' own are all.
    ranking: The retriever's lists, for PS and for hard negatives.
    depth: Documents read of each list.
    teacher: A teacher's scores, in a ranking's format.
    query_max_tokens: Tokens kept of a query.
    document_max_tokens: Tokens read of a document.
    cache_dir: Where tokens are kept; by default beside the pairs.
    """

    pairs: Path
    documents: Path | None = None
    ranking: Path | None = None
    depth: int = 50
    teacher: Path | None = None
    query_max_tokens: int = 62
    document_max_tokens: int = 158
    cache_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Development:
    """Args:
    pairs: Development pairs, of other repositories than the training pairs.
    documents: Their documents.
    ranking: The first stage's lists.
    queries: Queries judged by; 0 for all.
    depth: Documents reranked.
    """

    pairs: Path
    documents: Path | None
    ranking: Path
    queries: int = 300
    depth: int = 20


@dataclass(frozen=True, slots=True)
class Job:
    """What every training is told.

    Args:
        model: A BERT-like model in the hub's layout, or one that was trained here.
        out: The run's folder.
        data: What to train on.
        development: What to judge by; None for no evaluation.
        trunk: How the model is loaded.
        loop: Batches, schedule, log.
        window: Where negatives are looked for in a ranking.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: Of torch on the CPU; 0 for its default.
        compiled: Run the trunk through torch.compile.
        budget_tokens: Padded tokens of one forward pass; 0 for what suits the device.
        data_flow: Give the model GraphCodeBERT's data-flow input.
    """

    model: Path
    out: Path
    data: Data
    development: Development | None = None
    trunk: TrunkOptions = field(default_factory=TrunkOptions)
    loop: LoopOptions = field(default_factory=LoopOptions)
    window: WindowSettings = field(default_factory=WindowSettings)
    device: str = "cpu"
    threads: int = 0
    compiled: bool = False
    budget_tokens: int = 0
    data_flow: bool = False


@dataclass(frozen=True, slots=True)
class CrossJob(Job):
    """Args beyond those of every job:
    source: Where negatives come from.
    dual: A trained dual-encoder, whose ranking of all training documents PS draws from in place of `data.ranking`.
    dual_at_home: Rank the documents of the query's repository alone.
    random_share: Share of the negatives drawn evenly from the query's repository instead.
    bounded: See `models.CrossEncoder`.
    max_tokens: Of a pair, special tokens counted.
    passages: Cut a longer document to what suits the query, not at its beginning.
    options: See `CrossOptions`.
    """

    source: Source = Source.RANKING
    dual: Path | None = None
    dual_at_home: bool = False
    random_share: float = 0.0
    bounded: bool = False
    max_tokens: int = 192
    passages: bool = False
    options: CrossOptions = field(default_factory=CrossOptions)


@dataclass(frozen=True, slots=True)
class DualJob(Job):
    """Args beyond those of every job:
    pooling: `mean` or `cls`.
    options: See `DualOptions`.
    """

    pooling: str = "mean"
    options: DualOptions = field(default_factory=DualOptions)


@dataclass(frozen=True, slots=True)
class DocumentsJob(Job):
    """Some layers of `model`, a dual-encoder, learn to encode documents as all of them do.

    Args beyond those of every job:
    options: See `DistilOptions`.
    """

    options: DistilOptions = field(default_factory=DistilOptions)


@dataclass(frozen=True, slots=True)
class QueriesJob(Job):
    """`model`, a dual-encoder, learns to encode queries for the vectors that it gives documents now.

    Args beyond those of every job:
    mix: How far of the way from `model` to what was trained its weights are taken (WiSE-FT, Wortsman et al. 2022, arXiv
        2109.01903): more of the queries that it was trained on, less of what the model knew before.
    options: See `QueriesOptions`.
    """

    mix: float = 0.6
    options: QueriesOptions = field(default_factory=QueriesOptions)


def flat_record(job: Job) -> dict[str, Any]:
    """Every option by a flat name, for the checkpoint and the model's training record."""
    flat: dict[str, Any] = {}
    for name, value in asdict(job).items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": item for key, item in value.items()})
        elif name != "out":
            flat[name] = value
    return {name: str(value) if isinstance(value, Path) else value for name, value in flat.items()}
