"""The whole evaluation of a data set: an index a part, the stages over it, the report, and the files that keep it."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from codeseek import __version__
from codeseek.cascade import DEFAULT_DEPTH
from codeseek.errors import FileError
from codeseek.evaluate.corpus import open_corpus
from codeseek.evaluate.curves import DepthPoint, depth_chart, k_chart, measure_depths
from codeseek.evaluate.datasets import DataSet, Part
from codeseek.evaluate.plot import write_chart
from codeseek.evaluate.report import Report, make_report, report_record
from codeseek.evaluate.stages import Models, Stage, StageRun, run_stages
from codeseek.evaluate.trec import write_qrels, write_run
from codeseek.types import Progress

__all__ = ["Evaluation", "evaluate_dataset", "thin_out", "write_evaluation"]


@dataclass(slots=True)
class Evaluation:
    """A report with what it was made from, part by part; `curves` only where depths were asked for."""

    dataset: DataSet
    report: Report
    runs: list[Mapping[Stage, StageRun]]
    curves: list[list[DepthPoint]] = field(default_factory=list)


def thin_out(dataset: DataSet, queries: int) -> DataSet:
    """The data set with at most so many queries a part, taken at even distances; 0 keeps all. Pools stay whole."""
    parts = []
    for part in dataset.parts:
        names = list(part.queries)
        if queries and len(names) > queries:
            names = [names[at] for at in np.linspace(0, len(names) - 1, queries).round().astype(int)]
        parts.append(
            replace(
                part,
                queries={name: part.queries[name] for name in names},
                qrels={name: part.qrels[name] for name in names},
            )
        )
    whole = sum(len(part.queries) for part in dataset.parts)
    kept = sum(len(part.queries) for part in parts)
    notes = dataset.notes if kept == whole else (*dataset.notes, f"{kept} of {whole} queries, at even distances")
    return replace(dataset, parts=tuple(parts), notes=notes)


def evaluate_dataset(
    dataset: DataSet,
    models: Models,
    *,
    depth: int = DEFAULT_DEPTH,
    depths: Sequence[int] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Answers every query of every part by every stage and measures the answers.

    Args:
        dataset: What to answer.
        models: A stage whose model is None is left out.
        depth: Candidates reranked.
        depths: Further depths, for the curve of quality against time.
        progress: Told the stages "chunk", "encode" and "query".
    """
    runs: list[Mapping[Stage, StageRun]] = []
    curves: list[list[DepthPoint]] = []
    models = replace(models, blend=models.blend.for_loose_functions())
    for part in dataset.parts:
        files = {f"{number:08d}": [entry] for number, entry in enumerate(part.documents.items())}
        with open_corpus(files, models.encoder, pathless=True, progress=progress) as corpus:
            runs.append(run_stages(corpus, part.queries, models, allowed=part.allowed, depth=depth, progress=progress))
            if depths:
                curves.append(measure_depths(corpus, part, models, depths))
    return Evaluation(dataset, make_report(dataset, runs), runs, curves)


def write_evaluation(out: Path, evaluation: Evaluation, settings: Mapping[str, Any]) -> list[Path]:
    """Writes `report.json`, and for each part qrels, a run a stage and the charts.

    Args:
        out: Made where it is missing.
        evaluation: What was measured.
        settings: Goes into the report, beside version and machine.

    Returns:
        The files written.

    Raises:
        FileError: If one cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot create the folder {out}: {error.strerror or error}") from error
    written = [out / "report.json"]
    record = report_record(evaluation.report) | {
        "settings": dict(settings),
        "notes": list(evaluation.report.notes),
        "codeseek": __version__,
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "command": " ".join(sys.argv),
    }
    _write_text(written[0], json.dumps(record, indent=2) + "\n")
    name = evaluation.dataset.name
    for number, part in enumerate(evaluation.dataset.parts):
        stem = name if len(evaluation.dataset.parts) == 1 else f"{name}-{part.name.replace(' ', '-')}"
        written += _write_part(out, stem, part, evaluation.runs[number])
        if evaluation.curves:
            path = out / f"{stem}.time.svg"
            points = evaluation.curves[number]
            write_chart(path, depth_chart(points, f"{name}, {part.name}: {len(points[0].values)} queries"))
            written.append(path)
    return written


def _write_part(out: Path, stem: str, part: Part, runs: Mapping[Stage, StageRun]) -> list[Path]:
    written = [out / f"{stem}.qrels", out / f"{stem}.k.svg"]
    write_qrels(written[0], part.qrels)
    write_chart(written[1], k_chart(part, runs, stem))
    for stage, one in runs.items():
        path = out / f"{stem}.{stage.value}.run"
        write_run(path, one.run, f"codeseek-{stage.value}")
        written.append(path)
    return written


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error
