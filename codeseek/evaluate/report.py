"""From the runs of the stages to figures with their intervals, and to the table and the JSON that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codeseek.evaluate.datasets import DataSet, Part
from codeseek.evaluate.measures import MEASURES, Measure, Run, measure, ndcg_within_judged
from codeseek.evaluate.published import PUBLISHED, SOURCE
from codeseek.evaluate.significance import Difference, bootstrap_interval, paired_difference, stratified_mean
from codeseek.evaluate.stages import Stage, StageRun

__all__ = ["Report", "StageReport", "format_report", "make_report", "report_record"]

WITHIN = "nDCG"
COMPARED = ("MRR", "nDCG@10")
SIGNIFICANT_P = 0.05
Runs = Mapping[Stage, StageRun]


@dataclass(frozen=True, slots=True)
class StageReport:
    """Figures of one stage.

    `values` by measure, `intervals` their 95 % intervals, `parts` the values by part of the data set, `against` the
    differences from the stage before it, which `against_stage` names; latencies in milliseconds.
    """

    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    parts: Mapping[str, Mapping[str, float]]
    against_stage: str
    against: Mapping[str, Difference]
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """`queries` counts those behind the headline figures."""

    dataset: str
    queries: int
    documents: int
    stages: Mapping[Stage, StageReport]
    averaged: bool
    notes: tuple[str, ...]


def make_report(dataset: DataSet, runs: Sequence[Runs]) -> Report:
    """Measures the runs.

    Args:
        dataset: With the judgements.
        runs: The runs of each part, in the order of the parts.
    """
    measures: dict[str, Measure] = dict(MEASURES)
    if dataset.within:
        measures = {WITHIN: ndcg_within_judged} | measures
    headline = range(len(dataset.parts)) if dataset.averaged else range(1)
    stages: dict[Stage, StageReport] = {}
    earlier: tuple[str, dict[str, list[np.ndarray]]] | None = None
    for stage in runs[0]:
        by_part = [
            _measure_all(part, part_runs[stage].run, measures)
            for part, part_runs in zip(dataset.parts, runs, strict=True)
        ]
        strata = {name: [by_part[number][name] for number in headline] for name in measures}
        times = [ms for number in headline for ms in runs[number][stage].milliseconds.values()]
        stages[stage] = StageReport(
            values={name: stratified_mean(values) for name, values in strata.items()},
            intervals={name: bootstrap_interval(values) for name, values in strata.items()},
            parts={
                part.name: {name: float(values.mean()) for name, values in by_part[number].items()}
                for number, part in enumerate(dataset.parts)
                if len(dataset.parts) > 1
            },
            against_stage=earlier[0] if earlier else "",
            against={
                name: paired_difference(earlier[1][name], strata[name])
                for name in (WITHIN, *COMPARED)
                if earlier and name in measures
            },
            p50_ms=float(np.percentile(times, 50)),
            p95_ms=float(np.percentile(times, 95)),
        )
        earlier = stage.value, strata
    return Report(
        dataset=dataset.name,
        queries=sum(len(dataset.parts[number].queries) for number in headline),
        documents=sum(len(dataset.parts[number].documents) for number in headline),
        stages=stages,
        averaged=dataset.averaged,
        notes=dataset.notes,
    )


def _measure_all(part: Part, run: Run, measures: Mapping[str, Measure]) -> dict[str, np.ndarray]:
    return {name: measure(run, part.qrels, one) for name, one in measures.items()}


def report_record(report: Report) -> dict[str, Any]:
    """`{"dataset", "queries", "stages"}`; the stages hold measures, latencies, intervals, parts and differences."""
    return {
        "dataset": report.dataset,
        "queries": report.queries,
        "stages": {stage.value: _stage_record(one) for stage, one in report.stages.items()},
    }


def _stage_record(stage: StageReport) -> dict[str, Any]:
    record: dict[str, Any] = {name: round(value, 5) for name, value in stage.values.items()}
    record["p50_ms"] = round(stage.p50_ms, 2)
    record["p95_ms"] = round(stage.p95_ms, 2)
    record["intervals"] = {name: [round(low, 5), round(high, 5)] for name, (low, high) in stage.intervals.items()}
    if stage.parts:
        record["parts"] = {
            part: {name: round(value, 5) for name, value in values.items()} for part, values in stage.parts.items()
        }
    if stage.against:
        record["against"] = {
            "stage": stage.against_stage,
            **{
                name: {"mean": round(one.mean, 5), "low": round(one.low, 5), "high": round(one.high, 5), "p": one.p}
                for name, one in stage.against.items()
            },
        }
    return record


def format_report(report: Report) -> str:
    """The tables for people to read; lines end with a line feed."""
    names = list(next(iter(report.stages.values())).values)
    lines = [f"{report.dataset}: {report.queries:,} queries, {report.documents:,} documents", ""]
    header = f"{'':<10}" + "".join(f"{name:>11}" for name in names) + f"{'p50 ms':>9}{'p95 ms':>9}"
    lines.append(header)
    for stage, one in report.stages.items():
        cells = "".join(f"{one.values[name]:>11.3f}" for name in names)
        lines.append(f"{stage.value:<10}{cells}{one.p50_ms:>9.1f}{one.p95_ms:>9.1f}")
    lines += ["", "95 % intervals (bootstrap over queries), and the gain over the stage before (paired randomisation):"]
    for stage, one in report.stages.items():
        lines += _uncertainty(stage, one)
    lines += _part_tables(report)
    lines += _published(report)
    lines += ["", *(f"note: {note}" for note in report.notes)]
    return "\n".join(lines) + "\n"


def _uncertainty(stage: Stage, one: StageReport) -> list[str]:
    compared = [name for name in (WITHIN, *COMPARED) if name in one.values]
    cells = []
    for name in compared:
        low, high = one.intervals[name]
        cell = f"{name} {low:.3f} to {high:.3f}"
        if name in one.against:
            gain = one.against[name]
            mark = "" if gain.p < SIGNIFICANT_P else ", not significant"
            cell += f" ({gain} over {one.against_stage}{mark})"
        cells.append(cell)
    return [f"{stage.value:<10}{cells[0]}", *(f"{'':<10}{cell}" for cell in cells[1:])]


def _part_tables(report: Report) -> list[str]:
    parts = list(next(iter(report.stages.values())).parts)
    if not parts:
        return []
    shown = [name for name in (WITHIN, *COMPARED, "R@10") if name in next(iter(report.stages.values())).values]
    lines = []
    width = max(map(len, parts)) + 2
    for name in shown:
        lines += ["", f"{name:<{width}}" + "".join(f"{stage.value:>10}" for stage in report.stages)]
        for part in parts:
            cells = "".join(f"{one.parts[part][name]:>10.3f}" for one in report.stages.values())
            lines.append(f"{part:<{width}}{cells}")
    return lines


def _published(report: Report) -> list[str]:
    rows = PUBLISHED.get(report.dataset)
    if rows is None:
        return []
    lines = ["", f"MRR published by {SOURCE}", f"{'':<15}{'dual':>8}{'+ RR':>8}{'+ RR + PS':>11}"]
    for row in rows:
        ps = f"{row.ps:.3f}" if row.ps is not None else "-"
        lines.append(f"{row.model:<15}{row.dual:>8.3f}{row.rr:>8.3f}{ps:>11}")
    dense, reranked = report.stages.get(Stage.DENSE), report.stages.get(Stage.RERANKED)
    ours = [f"{one.values['MRR']:.3f}" if one is not None else "-" for one in (dense, reranked)]
    lines.append(f"{'here':<15}{ours[0]:>8}{'':>8}{ours[1]:>11}")
    lines.append("they: 125M parameters fine-tuned on the data set's train split, the dual-encoder's first 10 reranked")
    lines.append(
        "here: the models as given, lexical and dense retrieval fused, the text and depth of `codeseek search`"
    )
    return lines
