"""The records that both JSON formats are made of; the schema that programs rely on."""

from __future__ import annotations

import json
from typing import Any

from codeseek.printers import QueryOutcome, Summary
from codeseek.printers.escapes import escape_surrogates
from codeseek.types import Hit

# 1: the first. Raised when a field changes its meaning or goes; a new field does not raise it.
SCHEMA = 1


def hit_record(hit: Hit, query_id: str) -> dict[str, Any]:
    """Returns the fields of one hit; the path is POSIX and relative to the root, lines are 1-based and inclusive."""
    return {
        "type": "hit",
        "query_id": query_id,
        "rank": hit.rank,
        "path": hit.path,
        "start_line": hit.span.start_line,
        "end_line": hit.span.end_line,
        "language": hit.language,
        "kind": str(hit.kind),
        "name": hit.name,
        "score": _rounded(hit.score),
        "found_by": list(hit.found_by),
        "stages": {stage: _rounded(score) for stage, score in hit.stages.items()},
        "text": hit.text,
    }


def outcome_record(outcome: QueryOutcome) -> dict[str, Any]:
    return {
        "query_id": outcome.query_id,
        "hits": outcome.hits,
        "searched_chunks": outcome.searched_chunks,
        "no_good_match": outcome.no_good_match,
        "timings_ms": outcome.timings_ms,
    }


def summary_record(summary: Summary) -> dict[str, Any]:
    """Returns timings (milliseconds, summed over the queries), freshness and coverage of the index, and each query."""
    freshness = summary.freshness
    timings: dict[str, float] = {}
    for outcome in summary.outcomes:
        for stage, ms in outcome.timings_ms.items():
            timings[stage] = timings.get(stage, 0.0) + ms
    return {
        "type": "summary",
        "schema": SCHEMA,
        "root": str(summary.root),
        "hits": sum(outcome.hits for outcome in summary.outcomes),
        "wall_ms": round(summary.seconds * 1000, 1),
        "timings_ms": {stage: round(ms, 3) for stage, ms in timings.items()},
        "freshness": {
            "built": summary.built,
            "files": freshness.files,
            "chunks": freshness.chunks,
            "updated_files": freshness.updated_files,
            "removed_files": freshness.removed_files,
            "lag": summary.lag,
        },
        "coverage": round(freshness.coverage, 4),
        "queries": [outcome_record(outcome) for outcome in summary.outcomes],
    }


def to_json(record: dict[str, Any], *, indent: int | None = None) -> str:
    """Returns JSON that encodes as UTF-8, also when a path holds bytes that are not."""
    return escape_surrogates(json.dumps(record, ensure_ascii=False, indent=indent, allow_nan=False))


def _rounded(score: float) -> float | None:
    """Six digits are more than any stage is good for; JSON has no word for infinities."""
    score = float(score)
    return round(score, 6) if abs(score) < float("inf") else None
