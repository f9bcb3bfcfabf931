"""The network behind the signal `learned`: what it computes, alone and in a blend, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codeseek.errors import ModelError
from codeseek.retrievers.fusion import Blend, load_blend
from codeseek.retrievers.network import parse_network
from codeseek.retrievers.query import parse_query
from codeseek.retrievers.signals import SIGNALS

# Either signal is as good as both: max(lexical, dense) = relu(lexical - dense) + dense, and nothing for a component.
EITHER = {
    "signals": ["lexical", "dense"],
    "weights": [[[1.0, 0.0], [-1.0, 1.0], [0.0, 0.0], [0.0, 0.0]], [[2.0], [2.0]]],
    "biases": [[0.0, 0.0], [-1.0]],
}


def test_layers_are_rectified_but_the_last() -> None:
    columns = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]], np.float32)
    found = parse_network(EITHER, SIGNALS)(columns, (0.3, 0.2))
    assert found.dtype == np.float32
    assert found.tolist() == [1.0, 1.0, 1.0, -1.0]


def test_the_kinds_of_the_query_are_the_last_inputs() -> None:
    network = parse_network({"signals": ["lexical"], "weights": [[[0.0], [4.0], [8.0]]], "biases": [[0.5]]}, SIGNALS)
    assert network(np.zeros((2, 1), np.float32), (0.25, 0.5)).tolist() == [5.5, 5.5]


def test_a_row_does_not_depend_on_the_others() -> None:
    random = np.random.default_rng(0)
    layers = [random.normal(size=(9, 31)), random.normal(size=(31, 1))]
    record = {
        "signals": list(SIGNALS[:7]),
        "weights": [layer.tolist() for layer in layers],
        "biases": [[0.1] * 31, [0.0]],
    }
    network, columns = parse_network(record, SIGNALS), random.random((199, 7), np.float32)
    whole = network(columns, (0.5, 0.1))
    for rows in (slice(0, 1), slice(3, 20), slice(198, None)):
        assert network(columns[rows], (0.5, 0.1)).tobytes() == whole[rows].tobytes()
    assert network(columns[:0], (0.5, 0.1)).shape == (0,)


def test_a_blend_asks_it_for_worded_queries_alone() -> None:
    blend = replace(Blend(), network=parse_network(EITHER, SIGNALS))
    signals = np.zeros((1, len(SIGNALS)), np.float32)
    signals[0, SIGNALS.index("dense")] = 1.0
    assert blend.learned(parse_query("walk a tree"), signals).tolist() == [1.0]
    assert blend.learned(parse_query("walk_tree"), signals).tolist() == [0.0]
    assert Blend().learned(parse_query("walk a tree"), signals).tolist() == [0.0]


def test_a_blend_tells_it_what_kind_of_query_it_is() -> None:
    record = {"signals": ["lexical"], "weights": [[[0.0], [1.0], [10.0]]], "biases": [[0.0]]}
    blend = replace(
        Blend(),
        network=parse_network(record, SIGNALS),
        intent={"middleware": 40.0, "bias": -20.0},
        description={"returns": 40.0, "bias": -20.0},
    )
    signals = np.zeros((1, len(SIGNALS)), np.float32)
    found = {
        text: round(float(blend.learned(parse_query(text), signals)[0]), 3)
        for text in ("walk a tree", "the cors middleware", "returns the number of jobs", "returns the middleware")
    }
    assert list(found.values()) == [0.0, 1.0, 10.0, 11.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signals": ["lexical", "magic"]}, "unknown signals: magic"),
        ({"signals": ["lexical"]}, r"shape \(4, 2\), wanted 3 inputs"),
        ({"biases": [[0.0, 0.0], [float("nan")]]}, "wanted 2 inputs"),
        ({"biases": [[0.0, 0.0]]}, "cannot read the blend weights"),
        ({"weights": [EITHER["weights"][0]], "biases": [[0.0, 0.0]]}, "2 outputs, wanted 1"),
        ({"weights": None}, "no network"),
    ],
)
def test_a_wrong_network_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "blend.json"
    path.write_text(json.dumps({"network": EITHER | change}))
    with pytest.raises(ModelError, match=message):
        load_blend(path)
    path.write_text(json.dumps({"network": EITHER}))
    assert load_blend(path).network is not None
