"""Batches without duplicates, and padding that loses nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.encoders.feeding import Feeding
from codeseek.encoders.feeding import frame_pairs as serve_pairs
from codeseek.encoders.feeding import frame_texts as serve_texts
from codeseek.train.batches import epoch_batches
from codeseek.train.data import TrainingSet
from codeseek.train.inputs import Assembler, frame_pairs, frame_texts, pack
from codeseek.train.tokens import TokenTable

FEEDING = Feeding("cross-encoder", "mean", 4, 12, 16, (101,), (102,), (103,), 1, "dense-tanh-linear", 0)


def random_set(random: np.random.Generator, queries: int, documents: int) -> TrainingSet:
    return TrainingSet(
        queries=TokenTable.of([random.integers(1, 99, random.integers(1, 5)) for _ in range(queries)]),
        documents=TokenTable.of([random.integers(1, 99, random.integers(1, 13)) for _ in range(documents)]),
        positive=random.integers(0, documents, queries).astype(np.int32),
        query_hash=random.integers(0, queries, queries).astype(np.uint64),
        document_hash=random.integers(0, documents, documents).astype(np.uint64),
        identity=np.arange(documents, dtype=np.int32),
        repository=random.integers(0, 3, documents).astype(np.int32),
        also=np.zeros((0, 2), np.int32),
        query_ids=[str(row) for row in range(queries)],
        document_ids=[str(row) for row in range(documents)],
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from([0.0, 0.5, 1.0]))
def test_no_batch_holds_a_query_or_a_document_twice(seed: int, size: int, alike: float) -> None:
    training = random_set(np.random.default_rng(seed), 40, 30)
    batches = epoch_batches(training, size, seed, 0, alike=alike)
    used = np.concatenate(batches) if batches else np.zeros(0, int)
    assert len(np.unique(used)) == len(used)
    for batch in batches:
        assert len(batch) == size
        assert len(np.unique(training.query_hash[batch])) == size
        assert len(np.unique(training.document_hash[training.positive[batch]])) == size


def test_an_epoch_is_a_function_of_seed_and_number() -> None:
    training = random_set(np.random.default_rng(0), 60, 60)
    first, again, other = (epoch_batches(training, 4, 1, epoch) for epoch in (0, 0, 1))
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]
    assert [batch.tolist() for batch in first] != [batch.tolist() for batch in other]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 70), min_size=1, max_size=40), st.integers(8, 300))
def test_packing_keeps_every_input_once_and_the_budget(lengths: list[int], budget: int) -> None:
    passes = list(pack(np.array(lengths), budget))
    assert sorted(np.concatenate(passes).tolist()) == list(range(len(lengths)))
    for chosen in passes:
        longest = -(-max(lengths[row] for row in chosen) // 8) * 8
        assert len(chosen) == 1 or len(chosen) * longest <= budget


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_training_frames_inputs_as_serving_does(seed: int) -> None:
    training = random_set(np.random.default_rng(seed), 5, 5)
    queries = [training.queries[row] for row in range(5)]
    documents = [training.documents[row] for row in range(5)]
    rows, starts = frame_pairs(FEEDING, queries, documents)
    for query, document, row, start in zip(queries, documents, rows, starts, strict=True):
        served, begin = serve_pairs(FEEDING, query.tolist(), [document.tolist()])
        assert (row.tolist(), start) == (served[0], begin)
    texts = [document.tolist() for document in documents]
    assert [row.tolist() for row in frame_texts(FEEDING, documents)] == serve_texts(FEEDING, texts)


def test_padded_rows_hold_types_mask_and_all_tokens() -> None:
    training = random_set(np.random.default_rng(3), 6, 6)
    everything = np.arange(6)
    passes = Assembler(training, FEEDING, 40).pairs(everything, everything)
    assert len(passes) > 1
    rows, starts = frame_pairs(
        FEEDING, [training.queries[row] for row in everything], [training.documents[row] for row in everything]
    )
    for one in passes:
        for place, row in enumerate(one.rows):
            length = int(one.mask[place].sum())
            assert one.ids[place, :length].tolist() == rows[row].tolist()
            assert (one.ids[place, length:] == FEEDING.pad).all()
            assert one.types[place].tolist() == [
                int(starts[row] <= position < length) for position in range(one.ids.shape[1])
            ]
