"""The first stage: lexical and dense candidates in one pool, ordered by a linear blend of named signals.

The weights are data of the models (`models/<name>/blend.json`), since they fit one encoder: fitted by
`tests/benchmarks/fit_blend.py` as a listwise softmax over the pools of training queries, with a prior at zero.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from codeseek.errors import ModelError
from codeseek.retrievers.query import Query
from codeseek.retrievers.signals import SIGNALS

# Used where a model folder brings no weights of its own: equal votes and the signals that any repository shares.
_PLAIN = {
    "lexical": 1.0, "dense": 1.0, "lexical_rank": 1.0, "dense_rank": 1.0, "definition": 2.0, "name": 0.5, "stem": 0.5,
    "test": -0.5, "example": -0.5, "legacy": -0.5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights by signal, for worded queries and for symbol look-ups; unnamed signals weigh 0.

    `crowding` is what a hit loses for each better hit from its file. The `reranked` weights replace the others where
    the ranker has read the candidate; they hold one for `ranker`, its logit, besides. `calibration` turns final scores
    into probabilities of relevance.
    """

    words: Mapping[str, float] = field(default_factory=lambda: dict(_PLAIN))
    symbol: Mapping[str, float] = field(default_factory=lambda: dict(_PLAIN))
    words_reranked: Mapping[str, float] = field(default_factory=lambda: _PLAIN | {"ranker": 0.5})
    symbol_reranked: Mapping[str, float] = field(default_factory=lambda: dict(_PLAIN))
    crowding: float = 0.5
    calibration: Mapping[str, float] = field(default_factory=dict)
    calibration_reranked: Mapping[str, float] = field(default_factory=dict)

    def weights(self, query: Query) -> np.ndarray:
        """Returns [len(SIGNALS)] float32 in the order of `SIGNALS`."""
        return _in_order(self.symbol if query.is_symbol else self.words)

    def weights_reranked(self, query: Query) -> tuple[np.ndarray, float]:
        """Returns [len(SIGNALS)] float32 in the order of `SIGNALS`, and the weight of the ranker's logit."""
        chosen = self.symbol_reranked if query.is_symbol else self.words_reranked
        return _in_order(chosen), chosen.get("ranker", 0.0)


def _in_order(weights: Mapping[str, float]) -> np.ndarray:
    return np.array([weights.get(name, 0.0) for name in SIGNALS], dtype=np.float32)


def load_blend(path: Path) -> Blend:
    """Reads `blend.json` of a model folder.

    Raises:
        ModelError: If it is not readable or names a signal that this version does not know.
    """
    try:
        blend = Blend(**json.loads(path.read_text(encoding="utf-8")))
        known = {*SIGNALS, "ranker", "score", "bias"}
        named = set().union(*(weights for weights in asdict(blend).values() if isinstance(weights, dict)))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"cannot read the blend weights {path}: {error}") from error
    if named - known:
        raise ModelError(f"{path} weighs unknown signals: {', '.join(sorted(named - known))}")
    return blend


def order_without_crowding(scores: np.ndarray, files: Sequence[str], crowding: float) -> list[tuple[int, float]]:
    """Orders P candidates so that one file does not fill the list.

    Each candidate loses `crowding` for every candidate of its file that stands before it; ties keep the given order.

    Returns:
        Rows with their scores after the loss, best first. The first k do not depend on how many are asked for.
    """
    waiting: dict[str, list[int]] = {}
    for row in sorted(range(len(files)), key=lambda row: (-scores[row], row)):
        waiting.setdefault(files[row], []).append(row)
    heap = [(-float(scores[rows[0]]), rows[0], file, 0) for file, rows in waiting.items()]
    heapq.heapify(heap)
    ordered = []
    while heap:
        loss, row, file, taken = heapq.heappop(heap)
        ordered.append((row, -loss))
        if taken + 1 < len(waiting[file]):
            following = waiting[file][taken + 1]
            heapq.heappush(heap, (crowding * (taken + 1) - float(scores[following]), following, file, taken + 1))
    return ordered
