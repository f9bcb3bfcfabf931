"""The data sets of the paper and of the CodeSearchNet challenge, each read from its published layout.

A data set has one or more *parts*, each with a pool of its own: the languages of CodeSearchNet, or CoSQA's functions
with and without their docstrings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from codeseek.errors import UsageError
from codeseek.types import Chunk

__all__ = ["DATASETS", "DataSet", "Part", "TrainingPair", "load_dataset", "load_training_pairs"]


@dataclass(frozen=True, slots=True)
class Part:
    """Queries over one pool.

    `queries` is text by id, `documents` the function by id, `qrels` relevance by query and document. `allowed` confines
    a query to some documents, where the data set does.
    """

    name: str
    queries: Mapping[str, str]
    documents: Mapping[str, Chunk]
    qrels: Mapping[str, Mapping[str, float]]
    allowed: Mapping[str, frozenset[str]] | None = None


@dataclass(frozen=True, slots=True)
class DataSet:
    """`averaged`: the figure is the mean of the parts' figures; otherwise it is that of the first part.

    `within` adds the challenge's nDCG within judged documents. `notes` says what differs from the published set-up.
    """

    name: str
    parts: tuple[Part, ...]
    averaged: bool
    within: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """A query and its function, of the train split."""

    query: str
    document_id: str
    document: Chunk


def _load_csn(folder: Path, split: str) -> DataSet:
    from codeseek.evaluate.datasets.csn import load_csn

    return load_csn(folder, split)


def _load_advtest(folder: Path, split: str) -> DataSet:
    from codeseek.evaluate.datasets.advtest import load_advtest

    return load_advtest(folder, split)


def _load_staqc(folder: Path, split: str) -> DataSet:
    from codeseek.evaluate.datasets.staqc import load_staqc

    return load_staqc(folder, split)


def _load_cosqa(folder: Path, split: str) -> DataSet:
    from codeseek.evaluate.datasets.cosqa import load_cosqa

    return load_cosqa(folder, split)


def _load_csn99(folder: Path, split: str) -> DataSet:
    from codeseek.evaluate.datasets.csn99 import load_csn99

    return load_csn99(folder)


DATASETS: Mapping[str, Callable[[Path, str], DataSet]] = {
    "csn": _load_csn,
    "advtest": _load_advtest,
    "staqc": _load_staqc,
    "cosqa": _load_cosqa,
    "csn99": _load_csn99,
}


def load_dataset(name: str, folder: Path, split: str = "test") -> DataSet:
    """Reads a data set.

    Args:
        name: One of `DATASETS`.
        folder: As published; see the module of each.
        split: test or valid. CoSQA without its test file answers with its development set.

    Raises:
        UsageError: If there is no such folder.
        FileError: If a file cannot be read.
        DataError: If a record is not as published; the message names file, line and field.
    """
    if not folder.is_dir():
        raise UsageError(
            f"no such folder: {folder}", hint=f"codeseek evaluate {name} DIR, with the published files in DIR"
        )
    return DATASETS[name](folder, split)


def load_training_pairs(name: str, folder: Path, limit: int) -> list[TrainingPair]:
    """Reads the first pairs of a data set's train split.

    Raises:
        UsageError: If the data set has none.
        FileError, DataError: As `load_dataset`.
    """
    if name == "cosqa":
        from codeseek.evaluate.datasets.cosqa import iter_training_pairs
    elif name in ("csn", "advtest", "staqc"):
        from codeseek.evaluate.datasets.csn import iter_training_pairs
    else:
        raise UsageError(f"{name} has no train split", hint="--ablate works with csn, advtest, staqc and cosqa")
    pairs: list[TrainingPair] = []
    for pair in iter_training_pairs(folder):
        pairs.append(pair)
        if len(pairs) == limit:
            break
    return pairs
