"""The first stage: lexical and dense candidates in one pool, ordered by a linear blend of named signals.

The weights are data of the models (`models/<name>/blend.json`), since they fit one encoder: fitted by
`tests/benchmarks/fit_blend.py` as a listwise softmax over the pools of training queries, with a prior at zero.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from codeseek.errors import ModelError
from codeseek.retrievers.intent import word_probability
from codeseek.retrievers.network import Network, parse_network
from codeseek.retrievers.path_prior import path_prior
from codeseek.retrievers.query import Query
from codeseek.retrievers.signals import SIGNALS
from codeseek.types import StoredChunk

BLEND_NAME = "blend.json"
_SHIPPED = Path(__file__).parents[1] / "models" / "default" / BLEND_NAME

# Used where a model folder brings no weights of its own: equal votes and the signals that any repository shares.
_PLAIN = {
    "lexical": 1.0, "dense": 1.0, "lexical_rank": 1.0, "dense_rank": 1.0, "definition": 2.0, "name": 0.5, "stem": 0.5,
    "test": -0.5, "example": -0.5, "legacy": -0.5,
}  # fmt: skip


# Fields of a blend that hold no weights by signal.
_NO_WEIGHTS = ("intent", "description", "network", "paths", "crowding", "terse", "described")


def _even_crowding() -> dict[str, float]:
    return {"words": 0.5, "components": 0.5, "symbol": 0.5}


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights by signal; unnamed signals weigh 0.

    A worded query is weighed between `words` (it asks for a function) and `components` (it asks for a file or a type),
    by the probability that `intent` gives to its words; a symbol look-up by `symbol`. `network` makes the signal
    `learned` of the others, of that probability, and of the one by `description` that the query reads like
    documentation; `paths` makes the signal `path`. `crowding`, by the same three names, is what a hit loses for each
    better hit from its file. The `reranked` weights replace the others where the ranker has read the candidate; they
    hold one for `ranker`, its logit, besides, of which a terse query keeps a share of `terse`; the more a query reads
    like documentation, the more `described` takes its place. `loose` and `loose_reranked` are for functions without a
    repository around them.
    `calibration` turns final scores into probabilities of relevance.
    """

    words: Mapping[str, float] = field(default_factory=lambda: dict(_PLAIN))
    components: Mapping[str, float] = field(default_factory=lambda: dict(_PLAIN))
    symbol: Mapping[str, float] = field(default_factory=lambda: dict(_PLAIN))
    words_reranked: Mapping[str, float] = field(default_factory=lambda: _PLAIN | {"ranker": 0.5})
    components_reranked: Mapping[str, float] = field(default_factory=lambda: _PLAIN | {"ranker": 0.5})
    symbol_reranked: Mapping[str, float] = field(default_factory=lambda: dict(_PLAIN))
    loose: Mapping[str, float] = field(default_factory=dict)
    loose_reranked: Mapping[str, float] = field(default_factory=dict)
    terse: float = 1.0
    described: float | None = None
    crowding: Mapping[str, float] = field(default_factory=_even_crowding)
    intent: Mapping[str, float] = field(default_factory=dict)
    description: Mapping[str, float] = field(default_factory=dict)
    network: Network | None = None
    paths: Mapping[str, float] = field(default_factory=dict)
    calibration: Mapping[str, float] = field(default_factory=dict)
    calibration_reranked: Mapping[str, float] = field(default_factory=dict)

    def for_loose_functions(self) -> Blend:
        """The weights for a data set of functions, whose paths and neighbours in a file mean nothing.

        A model that brings no such weights keeps those for repositories.
        """
        if not self.loose:
            return self
        return replace(
            self,
            words=self.loose, components=self.loose, symbol=self.loose,
            words_reranked=self.loose_reranked, components_reranked=self.loose_reranked,
            symbol_reranked=self.loose_reranked,
            terse=1.0,
            described=None,
            crowding=dict.fromkeys(self.crowding, 0.0),
        )  # fmt: skip

    def component_probability(self, query: Query) -> float:
        """The probability that a worded query asks for a component; 0 for a symbol look-up."""
        return 0.0 if query.is_symbol else word_probability(query.text, self.intent)

    def description_probability(self, query: Query) -> float:
        """The probability that a worded query is what documentation says of a function; 0 for a symbol look-up."""
        return 0.0 if query.is_symbol else word_probability(query.text, self.description)

    def learned(self, query: Query, signals: np.ndarray) -> np.ndarray:
        """The signal `learned` of candidates with the signals [P, len(SIGNALS)]; 0 for a symbol look-up."""
        if self.network is None or query.is_symbol:
            return np.zeros(len(signals), np.float32)
        columns = signals[:, [SIGNALS.index(name) for name in self.network.signals]]
        return self.network(columns, (self.component_probability(query), self.description_probability(query)))

    def path(self, chunks: Sequence[StoredChunk]) -> np.ndarray:
        """The signal `path` of candidates: [P] float32."""
        return np.array([path_prior(chunk.path, self.paths) for chunk in chunks], np.float32)

    def weights(self, query: Query) -> np.ndarray:
        """Returns [len(SIGNALS)] float32 in the order of `SIGNALS`."""
        return self._between(query, self.words, self.components, self.symbol)[0]

    def weights_reranked(self, query: Query) -> tuple[np.ndarray, float]:
        """Returns [len(SIGNALS)] float32 in the order of `SIGNALS`, and the weight of the ranker's logit."""
        weights, ranker = self._between(query, self.words_reranked, self.components_reranked, self.symbol_reranked)
        if query.is_terse:
            ranker *= self.terse
        if self.described is not None:
            share = self.description_probability(query)
            ranker = (1 - share) * ranker + share * self.described
        return weights, ranker

    def crowding_of(self, query: Query) -> float:
        """What a hit loses for each better hit from its file."""
        if query.is_symbol:
            return self.crowding["symbol"]
        share = self.component_probability(query)
        return (1 - share) * self.crowding["words"] + share * self.crowding["components"]

    def _between(
        self, query: Query, words: Mapping[str, float], components: Mapping[str, float], symbol: Mapping[str, float]
    ) -> tuple[np.ndarray, float]:
        if query.is_symbol:
            return _in_order(symbol), symbol.get("ranker", 0.0)
        share = self.component_probability(query)
        blended = (1 - share) * _in_order(words) + share * _in_order(components)
        return blended, (1 - share) * words.get("ranker", 0.0) + share * components.get("ranker", 0.0)


def _in_order(weights: Mapping[str, float]) -> np.ndarray:
    return np.array([weights.get(name, 0.0) for name in SIGNALS], dtype=np.float32)


def load_blend(path: Path) -> Blend:
    """Reads `blend.json` of a model folder.

    Raises:
        ModelError: If it is not readable or names a signal that this version does not know.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if "network" in record:
            record["network"] = parse_network(record["network"], SIGNALS)
        blend = Blend(**record)
        known = {*SIGNALS, "ranker", "score", "bias"}
        named = set().union(*(getattr(blend, entry.name) for entry in fields(blend) if entry.name not in _NO_WEIGHTS))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"cannot read the blend weights {path}: {error}") from error
    if set(blend.crowding) != set(_even_crowding()):
        raise ModelError(
            f"{path} holds a crowding for {', '.join(sorted(blend.crowding))}, wanted words, components, symbol"
        )
    if named - known:
        raise ModelError(f"{path} weighs unknown signals: {', '.join(sorted(named - known))}")
    return blend


def find_blend(folder: Path | None) -> Blend:
    """The weights for an encoder: those of its own folder, else those of the shipped model.

    Every signal but `cosine` is scaled within the query, so that the shipped weights serve another encoder too.

    Raises:
        ModelError: If the weights cannot be read.
    """
    own = folder / BLEND_NAME if folder else None
    return load_blend(own if own and own.exists() else _SHIPPED)


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
