"""Nothing relevant is ever drawn, windows begin where they should, and the report adds up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.errors import UsageError
from codeseek.train.corpus import rank_corpus
from codeseek.train.data import TrainingSet
from codeseek.train.rankings import Ranking
from codeseek.train.relevance import Relevance
from codeseek.train.sampling import (
    InBatchNegatives,
    MixedNegatives,
    RandomNegatives,
    RankingNegatives,
    WindowSettings,
)
from codeseek.train.tokens import TokenTable


def make_set(
    positive: list[int], *, queries: list[int] | None = None, texts: list[int], repository: list[int] | None = None
) -> TrainingSet:
    """Queries and documents by the hash of their text; document n has its own id unless a test says otherwise."""
    count = len(texts)
    return TrainingSet(
        queries=TokenTable.of([[1]] * len(positive)),
        documents=TokenTable.of([[1]] * count),
        positive=np.array(positive, np.int32),
        query_hash=np.array(queries or range(len(positive)), np.uint64),
        document_hash=np.array(texts, np.uint64),
        identity=np.arange(count, dtype=np.int32),
        repository=np.array(repository or [0] * count, np.int32),
        also=np.zeros((0, 2), np.int32),
        query_ids=[str(row) for row in range(len(positive))],
        document_ids=[str(row) for row in range(count)],
    )


def ranking_of(lists: list[list[int]], scores: list[list[float]] | None = None, positive: float = np.nan) -> Ranking:
    depth = max(len(row) for row in lists)
    documents = np.array([row + [-1] * (depth - len(row)) for row in lists], np.int32)
    values = scores or [[1.0 - rank / 100 for rank in range(len(row))] for row in lists]
    padded = np.array([row + [np.nan] * (depth - len(row)) for row in values], np.float32)
    return Ranking(documents, padded, np.full(len(lists), positive, np.float32))


RANDOM = np.random.default_rng(0)


def test_relevance_covers_positive_duplicate_same_id_and_the_same_question() -> None:
    training = make_set([0, 1, 2], queries=[7, 7, 8], texts=[10, 11, 12, 10, 13, 14])
    training = replace(training, identity=np.array([0, 1, 2, 3, 0, 5], np.int32))
    found = Relevance(training)(np.arange(3)[:, None], np.arange(-1, 6)[None, :])
    # -1, own or the other's positive, the third's positive, same text as 0, same id as 0, unrelated
    assert found.tolist() == [
        [False, True, True, False, True, True, False],
        [False, True, True, False, True, True, False],
        [False, False, False, True, False, False, False],
    ]
    named = replace(training, also=np.array([[1, 5]], np.int32))
    found = Relevance(named)(np.arange(3)[:, None], np.array([[5]]))
    assert found.tolist() == [[True], [True], [False]]  # by the query's text


def test_contiguous_window_skips_what_is_relevant_even_at_lambda_0() -> None:
    training = make_set([0], texts=[10, 11, 12, 13, 10, 11])
    source = RankingNegatives(training, Relevance(training), ranking_of([[0, 1, 4, 2, 5, 3]]))
    assert source.draw(np.array([0]), 3, RANDOM).tolist() == [[1, 2, 3]]
    report = source.report
    assert (report.candidates, report.relevant, report.duplicates, report.kept) == (6, 2, 1, 3)


def test_window_begins_at_n_times_lambda() -> None:
    training = make_set([0], texts=list(range(10)))
    ranking = ranking_of([[1, 2, 0, 3, 4, 5, 6, 7, 8, 9]])
    own = RankingNegatives(training, Relevance(training), ranking, WindowSettings(lambda_=0.4))
    assert own.draw(np.array([0]), 2, RANDOM).tolist() == [[4, 5]]
    corpus = RankingNegatives(training, Relevance(training), ranking, WindowSettings(lambda_=0.004, corpus_size=1750))
    assert corpus.draw(np.array([0]), 2, RANDOM).tolist() == [[7, 8]]
    assert corpus.report.before_window == 6


def test_sampled_window_stays_within_and_reaches_everywhere() -> None:
    training = make_set([0], texts=list(range(12)))
    source = RankingNegatives(training, Relevance(training), ranking_of([list(range(12))]), WindowSettings(size=5))
    drawn = np.concatenate([source.draw(np.array([0]), 2, np.random.default_rng(seed)) for seed in range(60)])
    assert set(drawn.ravel().tolist()) == {1, 2, 3, 4, 5}
    assert (drawn[:, 0] != drawn[:, 1]).all()


def test_margins_remove_suspected_false_negatives_and_are_counted() -> None:
    training = make_set([0], texts=list(range(6)))
    ranking = ranking_of([[1, 0, 2, 3, 4, 5]], [[0.95, 0.9, 0.88, 0.84, 0.7, 0.5]], positive=0.9)
    settings = WindowSettings(absolute_margin=0.0, relative_margin=0.1)
    source = RankingNegatives(training, Relevance(training), ranking, settings)
    assert source.report.absolute_margin == 1  # 0.95 > 0.9
    assert source.report.relative_margin == 2  # 0.88 and 0.84 > 0.81
    assert source.draw(np.array([0]), 3, RANDOM).tolist() == [[4, 5, -1]]


def test_unknown_positive_score_filters_nothing() -> None:
    training = make_set([0], texts=list(range(4)))
    source = RankingNegatives(
        training, Relevance(training), ranking_of([[1, 2, 3]]), WindowSettings(relative_margin=0.5)
    )
    assert source.report.relative_margin == 0
    assert source.report.queries_without_positive_score == 1


def test_in_batch_negatives_are_the_others_positives() -> None:
    training = make_set([0, 1, 2, 3], queries=[1, 2, 3, 1], texts=[10, 11, 10, 13])
    drawn = InBatchNegatives(training, Relevance(training)).draw(np.array([0, 1, 2, 3]), 3, RANDOM)
    # Row 0 asks the same as row 3 and shares its document's text with row 2.
    assert [sorted(row) for row in drawn.tolist()] == [[-1, -1, 1], [0, 2, 3], [-1, 1, 3], [-1, -1, 1]]
    with pytest.raises(UsageError, match="2 queries"):
        InBatchNegatives(training, Relevance(training)).draw(np.array([0, 1]), 3, RANDOM)


def test_random_negatives_of_the_repository_come_from_it() -> None:
    training = make_set([0, 5], texts=list(range(8)), repository=[0, 0, 0, 0, 1, 1, 1, 1])
    drawn = RandomNegatives(training, Relevance(training), same_repository=True).draw(np.array([0, 1]), 3, RANDOM)
    assert [sorted(row) for row in drawn.tolist()] == [[1, 2, 3], [4, 6, 7]]


def test_mixture_takes_shares_and_fills_up() -> None:
    training = make_set([0], texts=list(range(30)))
    relevance = Relevance(training)
    ranked = RankingNegatives(training, relevance, ranking_of([[1, 2, 3, 4, 5, 6, 7, 8]]))
    mixed = MixedNegatives([(ranked, 0.75), (RandomNegatives(training, relevance), 0.25)])
    drawn = mixed.draw(np.array([0]), 8, RANDOM)[0].tolist()
    assert drawn[:6] == [1, 2, 3, 4, 5, 6]
    assert len(set(drawn)) == 8
    assert 0 not in drawn
    short = MixedNegatives(
        [(RankingNegatives(training, relevance, ranking_of([[3]])), 1.0), (RandomNegatives(training, relevance), 0.0)]
    )
    assert (short.draw(np.array([0]), 4, RANDOM) >= 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_no_source_ever_draws_a_judged_positive(seed: int) -> None:
    random = np.random.default_rng(seed)
    texts = random.integers(0, 12, 20).tolist()
    training = make_set(
        random.integers(0, 20, 8).tolist(),
        queries=random.integers(0, 5, 8).tolist(),
        texts=texts,
        repository=random.integers(0, 3, 20).tolist(),
    )
    relevance = Relevance(training)
    ranking = ranking_of([random.permutation(20)[:12].tolist() for _ in range(8)])
    rows = random.permutation(8)[:5]
    for source in (
        RandomNegatives(training, relevance),
        RandomNegatives(training, relevance, same_repository=True),
        InBatchNegatives(training, relevance),
        RankingNegatives(training, relevance, ranking),
        RankingNegatives(training, relevance, ranking, WindowSettings(lambda_=0.2, size=6)),
    ):
        drawn = source.draw(rows, 4, random)
        assert drawn.shape == (5, 4)
        for query, documents in zip(rows, drawn, strict=True):
            judged = training.positive[training.query_hash == training.query_hash[query]]
            found = documents[documents >= 0]
            assert len(set(found.tolist())) == len(found)
            assert not set(training.document_hash[found]) & set(training.document_hash[judged])
            assert (documents[len(found) :] == -1).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 6))
def test_corpus_ranking_equals_a_full_sort(seed: int, depth: int, first: int) -> None:
    random = np.random.default_rng(seed)
    queries, documents = (random.normal(size=(count, 4)).astype(np.float32) for count in (6, 9))
    training = make_set([0, 1, 2, 3, 4, 5], texts=list(range(9)))
    ranking = rank_corpus(training, queries, documents, depth=depth, first=first)
    scores = queries @ documents.T
    expected = np.argsort(-scores, axis=1, kind="stable")[:, first : first + depth]
    assert ranking.documents.tolist() == expected.tolist()
    assert np.allclose(ranking.positive_scores, scores[np.arange(6), training.positive], atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_a_ranking_at_home_holds_the_documents_of_the_repository_alone(seed: int, depth: int) -> None:
    random = np.random.default_rng(seed)
    queries, documents = (random.normal(size=(count, 4)).astype(np.float32) for count in (6, 9))
    repository = random.integers(0, 3, 9)
    training = make_set([0, 1, 2, 3, 4, 5], texts=list(range(9)), repository=repository.tolist())
    ranking = rank_corpus(training, queries, documents, depth=depth, same_repository=True)
    order = np.argsort(-(queries @ documents.T), axis=1, kind="stable")
    for query, found in enumerate(ranking.documents):
        at_home = [row for row in order[query] if repository[row] == repository[query]][:depth]
        assert found.tolist() == at_home + [-1] * (len(found) - len(at_home))
        assert np.isnan(ranking.scores[query][len(at_home) :]).all()
