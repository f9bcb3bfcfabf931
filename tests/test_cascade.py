from dataclasses import replace

import numpy as np
import pytest

from codeseek.cascade import BUDGET_BATCH, rank_pool
from codeseek.retrievers.fusion import Blend
from codeseek.retrievers.hybrid import Pool
from codeseek.retrievers.query import parse_query
from codeseek.retrievers.signals import SIGNALS
from codeseek.types import ByteRange, Kind, Span, StoredChunk


class ByLength:
    """A ranker whose logit is the length of the document."""

    name = "by-length"

    def __init__(self):
        self.read = []

    def rank(self, query, documents):
        self.read.extend(documents)
        return np.array([len(document) for document in documents], np.float32)


def make_pool(scores, documents, paths=None, query="two words"):
    paths = paths or [f"{number}.py" for number in range(len(scores))]
    chunks = [
        StoredChunk(number, path, "python", Kind.FUNCTION, "f", (), "f()", Span(1, 2), ByteRange(0, 9), 0)
        for number, path in enumerate(paths)
    ]

    def read(numbers):
        return [documents[number] for number in numbers]

    signals = np.zeros((len(scores), len(SIGNALS)), np.float32)
    signals[:, SIGNALS.index("lexical")] = scores
    return Pool(parse_query(query), np.arange(len(scores)), chunks, signals, np.array(scores, np.float32), read)


def crowded(loss):
    return {"words": loss, "components": loss, "symbol": loss}


BLEND = Blend(
    words={"lexical": 1.0}, words_reranked={"lexical": 1.0, "ranker": 1.0}, symbol_reranked={}, crowding=crowded(0.0)
)


def test_without_a_ranker_the_first_stage_decides():
    ranked = rank_pool(make_pool([3.0, 2.0, 1.0], ["a", "bb", "ccc"]), BLEND)
    assert ranked.rows.tolist() == [0, 1, 2]
    assert np.isnan(ranked.logits).all()


def test_the_ranker_is_added_to_the_first_stage():
    ranked = rank_pool(make_pool([3.0, 2.0, 1.0], ["a", "bb", "cccccc"]), BLEND, ByLength())
    assert ranked.rows.tolist() == [2, 0, 1]  # 7, 4, 4: the tie keeps the first stage's order
    assert ranked.scores.tolist() == [7.0, 4.0, 4.0]


def test_only_the_first_are_read_and_the_rest_stays_behind():
    ranker = ByLength()
    ranked = rank_pool(make_pool([4.0, 3.0, 2.0, 1.0], ["", "", "xx" * 50, "x"]), BLEND, ranker, depth=2)
    assert ranker.read == ["", ""]
    assert ranked.rows.tolist() == [0, 1, 2, 3]
    assert np.isnan(ranked.logits).tolist() == [False, False, True, True]


def test_what_crowding_keeps_back_is_not_read():
    blend = Blend(words={"lexical": 1.0}, words_reranked={"lexical": 1.0, "ranker": 1.0}, crowding=crowded(10.0))
    ranker = ByLength()
    rank_pool(make_pool([4.0, 3.0, 2.0], ["a", "b", "c"], ["x.py", "x.py", "y.py"]), blend, ranker, depth=2)
    assert ranker.read == ["a", "c"]


def test_crowding_among_those_read_lifts_no_unread_one():
    blend = Blend(words={"lexical": 1.0}, words_reranked={"lexical": 1.0, "ranker": 1.0}, crowding=crowded(4.0))
    paths = ["a.py", "a.py", "b.py", "c.py"]
    ranked = rank_pool(make_pool([10.0, 9.0, 5.5, 4.0], [""] * 4, paths), blend, ByLength(), depth=3)
    assert ranked.rows.tolist() == rank_pool(make_pool([10.0, 9.0, 5.5, 4.0], [""] * 4, paths), blend).rows.tolist()


def test_what_keeps_the_first_stages_order_is_not_loaded():
    class Identity(ByLength):
        name = "identity"

    ranker = Identity()
    assert rank_pool(make_pool([2.0, 1.0], ["a", "bbbb"]), BLEND, ranker).rows.tolist() == [0, 1]
    assert ranker.read == []


def test_no_weight_for_the_ranker_means_that_it_does_not_read():
    ranker = ByLength()
    rank_pool(make_pool([1.0, 2.0], ["a", "b"], query="one_symbol"), BLEND, ranker)
    assert ranker.read == []


@pytest.mark.parametrize(("definition", "reads"), [(1.0, []), (0.5, ["a", "b"]), (0.0, ["a", "b"])])
def test_a_look_up_is_read_only_where_nothing_has_the_very_name(definition, reads):
    blend = replace(BLEND, symbol_reranked={"lexical": 1.0, "ranker": 1.0})
    ranker = ByLength()
    pool = make_pool([2.0, 1.0], ["a", "b"], query="one_symbol")
    pool.signals[1, SIGNALS.index("definition")] = definition
    rank_pool(pool, blend, ranker)
    assert ranker.read == reads


def test_a_spent_budget_stops_after_the_first_batch():
    ranker = ByLength()
    ranked = rank_pool(make_pool(np.arange(20, 0, -1.0), ["d"] * 20), BLEND, ranker, budget_ms=-1)
    assert len(ranker.read) == BUDGET_BATCH
    assert len(ranked.rows) == 20


def test_an_ample_budget_changes_nothing():
    pool = make_pool(np.arange(20, 0, -1.0), ["d" * (number % 7) for number in range(20)])
    plain, budgeted = rank_pool(pool, BLEND, ByLength()), rank_pool(pool, BLEND, ByLength(), budget_ms=60_000)
    assert plain.rows.tolist() == budgeted.rows.tolist()


def test_an_empty_pool():
    ranked = rank_pool(make_pool([], []), BLEND, ByLength())
    assert ranked.rows.tolist() == []


def test_probabilities_come_from_the_calibration():
    blend = Blend(words={"lexical": 1.0}, crowding=crowded(0.0), calibration={"score": 2.0, "bias": -2.0})
    ranked = rank_pool(make_pool([2.0, 1.0], ["a", "b"]), blend)
    assert ranked.probabilities.tolist() == pytest.approx([1 / (1 + np.exp(-2)), 0.5])


def test_rounding_never_lifts_an_unread_candidate_over_a_read_one():
    random = np.random.default_rng(0)
    for _ in range(200):
        scores = np.sort(random.normal(size=6).astype(np.float32) * 7)[::-1]
        pool = make_pool(scores, ["d" * size for size in random.integers(0, 9, 6)])
        ranked = rank_pool(pool, BLEND, ByLength(), depth=1)
        assert ranked.rows[0] == 0


def test_a_split_definition_comes_once_and_its_other_parts_last():
    pool = make_pool([5.0, 4.0, 3.0, 2.0], ["a", "b", "c", "d"], ["x.py", "x.py", "x.py", "y.py"])
    parts = [replace(chunk, part=part) for chunk, part in zip(pool.chunks, (0, 1, 2, 0), strict=True)]
    ranked = rank_pool(replace(pool, chunks=parts), BLEND)
    assert ranked.rows.tolist() == [0, 3, 1, 2]


def test_another_definition_of_the_same_name_is_no_part_of_it():
    pool = make_pool([5.0, 4.0, 3.0, 2.0], ["a", "b", "c", "d"], ["x.cc", "x.cc", "x.cc", "y.cc"])
    signatures = ("parse(Stream&)", "parse(string)", "parse(Stream&)", "f()")
    chunks = [
        replace(chunk, part=part, signature=signature)
        for chunk, part, signature in zip(pool.chunks, (0, 0, 1, 0), signatures, strict=True)
    ]
    assert rank_pool(replace(pool, chunks=chunks), BLEND).rows.tolist() == [0, 1, 3, 2]


@pytest.mark.parametrize(
    ("defines", "rows"),
    [([1.0, 1.0], [2, 1, 0]), ([0.0, 0.0], [0, 1, 2]), ([1.0, 0.0], [0, 1, 2])],
    ids=["itself", "what it says", "a definition in one part"],
)
def test_a_look_up_of_a_split_definition_shows_its_declaration_and_one_of_what_it_holds_the_part(defines, rows):
    blend = Blend(symbol={"lexical": 1.0}, crowding=crowded(0.0))
    pool = make_pool([5.0, 4.0, 3.0], ["a", "b", "c"], ["x.py", "y.py", "x.py"], query="one_symbol")
    pool.signals[[0, 2], SIGNALS.index("definition")] = defines
    parts = [replace(chunk, part=part) for chunk, part in zip(pool.chunks, (2, 0, 0), strict=True)]
    assert rank_pool(replace(pool, chunks=parts), blend).rows.tolist() == rows


def test_definitions_of_one_name_that_were_not_split_all_stay():
    pool = make_pool([5.0, 4.0, 3.0], ["a", "b", "c"], ["x.py", "x.py", "y.py"])
    assert rank_pool(pool, BLEND).rows.tolist() == [0, 1, 2]


def test_probabilities_never_rise():
    blend = Blend(words={"lexical": 1.0}, crowding=crowded(0.0), calibration={"score": -1.0})
    ranked = rank_pool(make_pool([2.0, 1.0], ["a", "b"]), blend)
    assert ranked.probabilities.tolist() == pytest.approx([1 / (1 + np.exp(2)), 1 / (1 + np.exp(2))])
