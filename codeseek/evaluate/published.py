"""The figures of Dong et al., arXiv 2305.04508: MRR with ranks beyond 1000 counted as 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PUBLISHED", "SOURCE", "PublishedRow"]

SOURCE = "Dong et al., arXiv 2305.04508"


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """MRR of a code model as dual-encoder, with RR, and with RR and PS; None where it is not given."""

    model: str
    dual: float
    rr: float
    ps: float | None


PUBLISHED: Mapping[str, tuple[PublishedRow, ...]] = {
    "csn": (
        PublishedRow("UniXcoder", 0.744, 0.775, 0.792),
        PublishedRow("GraphCodeBERT", 0.717, 0.770, None),
        PublishedRow("CodeBERT", 0.703, 0.759, None),
    ),
    "cosqa": (
        PublishedRow("UniXcoder", 0.696, 0.715, 0.723),
        PublishedRow("GraphCodeBERT", 0.687, 0.698, None),
        PublishedRow("CodeBERT", 0.669, 0.683, None),
    ),
    "staqc": (
        PublishedRow("UniXcoder", 0.258, 0.290, 0.294),
        PublishedRow("GraphCodeBERT", 0.205, 0.243, None),
        PublishedRow("CodeBERT", 0.214, 0.262, None),
    ),
    "advtest": (
        PublishedRow("UniXcoder", 0.425, 0.454, 0.470),
        PublishedRow("GraphCodeBERT", 0.391, 0.454, None),
        PublishedRow("CodeBERT", 0.349, 0.420, None),
    ),
}
