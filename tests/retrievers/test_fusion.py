import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.errors import ModelError
from codeseek.retrievers.fusion import Blend, load_blend, order_without_crowding
from codeseek.retrievers.query import parse_query
from codeseek.retrievers.signals import SIGNALS

CROWDING = {"words": 0.25, "components": 0.5, "symbol": 1.0}


def greedy(scores, files, crowding):
    """The slow oracle: at each place, the best of what is left after its file's losses."""
    left, taken, rows = list(range(len(files))), {}, []
    while left:
        row = max(left, key=lambda row: (scores[row] - crowding * taken.get(files[row], 0), -row))
        left.remove(row)
        taken[files[row]] = taken.get(files[row], 0) + 1
        rows.append(row)
    return rows


@given(
    st.lists(st.tuples(st.integers(-8, 8), st.sampled_from("abcd")), max_size=30),
    st.sampled_from([0.0, 0.5, 1.0, 4.0]),
)
@settings(max_examples=300, deadline=None)
def test_order_equals_the_greedy_oracle(candidates, crowding):
    scores = np.array([score for score, _ in candidates], np.float64)
    files = [file for _, file in candidates]
    assert [row for row, _ in order_without_crowding(scores, files, crowding)] == greedy(scores, files, crowding)


def test_scores_fall_and_hold_the_loss():
    ordered = order_without_crowding(np.array([3.0, 2.9, 1.0]), ["a", "a", "b"], 2.5)
    assert ordered == [(0, 3.0), (2, 1.0), (1, pytest.approx(0.4))]


def test_weights_follow_the_kind_of_query():
    blend = Blend(words={"lexical": 2.0}, symbol={"definition": 3.0})
    assert blend.weights(parse_query("walk a tree"))[SIGNALS.index("lexical")] == 2.0
    assert blend.weights(parse_query("walk_tree"))[SIGNALS.index("definition")] == 3.0
    assert blend.weights(parse_query("walk_tree"))[SIGNALS.index("lexical")] == 0.0


def test_a_blend_comes_back_from_its_file(tmp_path):
    path = tmp_path / "blend.json"
    path.write_text(json.dumps({"words": {"lexical": 1.5}, "words_reranked": {"ranker": 2.0}, "crowding": CROWDING}))
    blend = load_blend(path)
    assert blend.crowding_of(parse_query("two words")) == 0.25
    assert blend.crowding_of(parse_query("one_symbol")) == 1.0
    assert blend.weights_reranked(parse_query("two words"))[1] == 2.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read the blend weights"),
        ('{"wrods": {}}', "cannot read the blend weights"),
        ('{"words": {"lexicla": 1}}', "unknown signals: lexicla"),
        ('{"crowding": {"words": 1}}', "wanted words, components, symbol"),
    ],
)
def test_a_wrong_blend_is_refused(tmp_path, content, message):
    path = tmp_path / "blend.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=message):
        load_blend(path)


def test_a_query_for_a_component_is_weighed_by_the_other_set():
    blend = Blend(words={"lexical": 1.0}, components={"stem": 2.0}, intent={"middleware": 40.0, "bias": -20.0})
    blend = replace(blend, crowding=CROWDING)
    component, function = parse_query("cors middleware"), parse_query("retry three times")
    assert blend.weights(component)[SIGNALS.index("stem")] == pytest.approx(2.0)
    assert blend.weights(function)[SIGNALS.index("stem")] == pytest.approx(0.0, abs=1e-6)
    assert blend.crowding_of(component) == pytest.approx(0.5)
    assert blend.crowding_of(function) == pytest.approx(0.25)
    assert blend.component_probability(parse_query("middleware")) == 0.0, "a single name is a symbol"


def test_the_ranker_weighs_otherwise_where_a_query_reads_like_documentation():
    blend = Blend(description={"returns": 40.0, "bias": -20.0}, words_reranked={"ranker": 0.2}, terse=0.5)
    described = replace(blend, described=1.0, symbol_reranked={"ranker": 0.1})
    question, documentation = parse_query("where is the path made"), parse_query("returns the path of the file")
    assert blend.weights_reranked(documentation)[1] == pytest.approx(0.2)
    assert described.weights_reranked(question)[1] == pytest.approx(0.2)
    assert described.weights_reranked(documentation)[1] == pytest.approx(1.0)
    assert described.weights_reranked(parse_query("returns path"))[1] == pytest.approx(1.0), "terse or not"
    assert described.weights_reranked(parse_query("returns"))[1] == pytest.approx(0.1), "a name"


def test_loose_functions_are_weighed_by_their_own_set_whatever_the_query_asks_for():
    blend = Blend(symbol={"definition": 3.0}, loose={"dense": 2.0}, loose_reranked={"dense": 2.0, "ranker": 0.5})
    loose = replace(blend, crowding=CROWDING, terse=0.1, described=1.0).for_loose_functions()
    for query in map(parse_query, ("walk a tree", "walk_tree", "tree walker")):
        assert loose.weights(query)[SIGNALS.index("dense")] == pytest.approx(2.0)
        assert loose.weights(query)[SIGNALS.index("definition")] == 0.0
        assert loose.weights_reranked(query)[1] == pytest.approx(0.5)
        assert loose.crowding_of(query) == 0.0
    assert Blend().for_loose_functions() == Blend()
