"""A small network over the signals of one candidate: what their weighted sum cannot say, such as "either of the two".

Its output is a signal like the others, `learned`, and the blend weighs it. The shipped one is not told of tests and
examples: it learns what an answer has in common with a question, not which files somebody asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["KINDS", "Network", "parse_network"]

# The probabilities that the query asks for a component, and that it describes as documentation does (`intent.py`).
KINDS = ("component", "description")


@dataclass(frozen=True, slots=True)
class Network:
    """Layers with rectified outputs, the last one with a single plain output.

    `signals` names the inputs, to which `KINDS` are added: two facts about the query. `layers` holds weights
    [inputs, outputs] and biases [outputs], float64.
    """

    signals: tuple[str, ...]
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    def __call__(self, columns: np.ndarray, kinds: Sequence[float]) -> np.ndarray:
        """Args:
            columns: [P, len(signals)], in their order.
            kinds: As `KINDS`.

        Returns:
            [P] float32, each from its own row alone, to the last bit: a product of matrices would round by the number
            of rows (`signals.weigh`).
        """
        values = [*columns.astype(np.float64).T, *(np.full(len(columns), kind) for kind in kinds)]
        for number, (weights, biases) in enumerate(self.layers):
            total = np.broadcast_to(biases, (len(columns), len(biases))).copy()
            for value, row in zip(values, weights, strict=True):
                total += value[:, None] * row
            values = list((total if number == len(self.layers) - 1 else np.maximum(total, 0.0)).T)
        return values[0].astype(np.float32)


def parse_network(record: Mapping[str, Any], known: Sequence[str]) -> Network:
    """Reads `{"signals": [...], "weights": [[[...]]], "biases": [[...]]}`.

    Raises:
        ValueError: If it is none, if a shape does not fit the next, or if a signal is not among `known`.
    """
    try:
        signals = tuple(record["signals"])
        weights = [np.array(layer, np.float64) for layer in record["weights"]]
        biases = [np.array(layer, np.float64) for layer in record["biases"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no network: {error!r}") from error
    unknown = sorted(set(signals) - set(known))
    if unknown:
        raise ValueError(f"the network reads unknown signals: {', '.join(unknown)}")
    width = len(signals) + len(KINDS)
    for weight, bias in zip(weights, biases, strict=True):
        if weight.shape != (width, *bias.shape) or not np.isfinite(weight).all() or not np.isfinite(bias).all():
            raise ValueError(f"a layer of the network has the shape {weight.shape}, wanted {width} inputs")
        width = len(bias)
    if not weights or width != 1:
        raise ValueError(f"the network has {width} outputs, wanted 1")
    return Network(signals, tuple(zip(weights, biases, strict=True)))
