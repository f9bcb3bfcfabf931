import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.indexes.lexical import DEFAULT_WEIGHTS, FIELD_BITS, K1, B, LexicalIndex, Postings

DOCUMENTS = st.lists(
    st.dictionaries(st.sampled_from("abcde"), st.tuples(st.integers(0, 5), st.integers(1, 63)), max_size=4),
    min_size=1,
    max_size=12,
)


def index_of(documents: list[dict[str, tuple[int, int]]]) -> LexicalIndex:
    def read(term: str) -> Postings:
        rows = [(at, *document[term]) for at, document in enumerate(documents) if term in document]
        columns = np.array(rows, np.int64).reshape(-1, 3)
        return Postings(columns[:, 0], columns[:, 1].astype(np.uint8), columns[:, 2].astype(np.uint8))

    lengths = np.array([sum(count for count, _ in document.values()) + 1 for document in documents], np.uint16)
    return LexicalIndex(read, lengths, lambda positions: (np.zeros(len(positions)), positions))


def bm25f(documents: list[dict[str, tuple[int, int]]], terms: list[str], at: int) -> float:
    """The formula of the module's docstring, one document at a time."""
    lengths = [sum(count for count, _ in document.values()) + 1 for document in documents]
    mean = sum(lengths) / len(lengths)
    score = 0.0
    for term in set(terms):
        if term not in documents[at]:
            continue
        count, mask = documents[at][term]
        weight = count + sum(DEFAULT_WEIGHTS[name] for name, bit in FIELD_BITS.items() if mask & bit)
        frequency = sum(term in document for document in documents)
        idf = math.log(1 + (len(documents) - frequency + 0.5) / (frequency + 0.5))
        score += idf * weight * (K1 + 1) / (weight + K1 * (1 - B + B * lengths[at] / mean))
    return score


@settings(max_examples=100, deadline=None)
@given(documents=DOCUMENTS, terms=st.lists(st.sampled_from("abcdez"), max_size=5), depth=st.integers(0, 14))
def test_scores_are_those_of_the_formula(documents: list, terms: list[str], depth: int) -> None:
    positions, scores = index_of(documents).search(terms, depth)
    expected = [(bm25f(documents, terms, at), at) for at in range(len(documents))]
    found = sorted((score for score, _ in expected if score > 0), reverse=True)[:depth]
    assert scores == pytest.approx(found, rel=1e-4)
    assert [expected[at][0] for at in positions] == pytest.approx(scores.tolist(), rel=1e-4)


def test_the_first_do_not_depend_on_depth() -> None:
    documents = [{"a": (1 + at % 3, 32)} for at in range(30)]
    everything = index_of(documents).search(["a"], 30)[0]
    for depth in range(30):
        assert index_of(documents).search(["a"], depth)[0].tolist() == everything[:depth].tolist()


def test_ties_break_by_path_and_line() -> None:
    documents = [{"a": (1, 32)}] * 4
    index = index_of(documents)
    index._tie_break = lambda positions: (-positions // 2, -positions)
    assert index.search(["a"], 3)[0].tolist() == [3, 2, 1]


def test_a_filter_changes_no_score() -> None:
    documents = [{"a": (at + 1, 32), "b": (1, 2)} for at in range(5)]
    index = index_of(documents)
    positions, scores = index.search(["a", "b"], 5)
    allowed = np.array([True, False, True, False, True])
    kept = [(at, score) for at, score in zip(positions.tolist(), scores.tolist(), strict=True) if allowed[at]]
    filtered = index.search(["a", "b"], 5, allowed)
    assert list(zip(*map(np.ndarray.tolist, filtered), strict=True)) == kept


def test_match_tells_the_fields() -> None:
    index = index_of([{"a": (1, 2)}, {"b": (1, 33)}, {"a": (0, 4), "b": (2, 1)}])
    assert index.match(["a", "b", "z"], np.array([2, 0, 1])).tolist() == [[4, 2, 0], [1, 0, 33], [0, 0, 0]]
    assert index.document_frequencies(["a", "b", "z"]).tolist() == [2, 2, 0]


def test_an_empty_index() -> None:
    index = LexicalIndex(lambda _: Postings(*[np.empty(0, np.int64)] * 3), np.empty(0, np.uint16), lambda p: (p, p))
    assert index.search(["a"], 5)[0].size == 0
