from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import tiny_models
from fakes.tiny_models import CLS, SEP
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.encoders.feeding import (
    document_room,
    feeding_record,
    frame_pairs,
    frame_texts,
    iter_batches,
    parse_feeding,
)
from codeseek.errors import ModelError

FEEDING = parse_feeding(tiny_models.feeding_record("cross-encoder", max_tokens=10, pad=9), "here")


def test_a_text_is_cut_so_that_its_frame_fits() -> None:
    assert frame_texts(FEEDING, [[11, 12], list(range(20, 40))]) == [
        [CLS, 11, 12, SEP],
        [CLS, *range(20, 28), SEP],
    ]


def test_a_pair_cuts_the_document() -> None:
    rows, start = frame_pairs(FEEDING, [11, 12], [[21], list(range(20, 40))])
    assert rows == [[CLS, 11, 12, SEP, 21, SEP], [CLS, 11, 12, SEP, *range(20, 25), SEP]]
    assert start == 4
    assert len(rows[1]) == FEEDING.max_tokens


def test_a_query_as_long_as_the_input_leaves_no_document() -> None:
    rows, _ = frame_pairs(FEEDING, list(range(20, 60)), [[11]])
    assert rows == [[CLS, *range(20, 27), SEP, SEP]]


def test_batches_pad_and_mark_the_document() -> None:
    (batch,) = iter_batches(FEEDING, [[1, 2, 3], [1, 2, 3, 4, 5]], 2, 8, 100)
    assert batch.rows.tolist() == [1, 0]
    assert batch.ids.tolist() == [[1, 2, 3, 4, 5], [1, 2, 3, 9, 9]]
    assert batch.types.tolist() == [[0, 0, 1, 1, 1], [0, 0, 1, 0, 0]]
    assert batch.lengths.tolist() == [5, 3]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 90), min_size=1, max_size=30), max_size=20),
    st.integers(1, 8),
    st.integers(1, 60),
)
def test_each_row_comes_once_within_the_limits(rows: list[list[int]], max_rows: int, max_tokens: int) -> None:
    batches = list(iter_batches(FEEDING, rows, None, max_rows, max_tokens))
    assert sorted(np.concatenate([batch.rows for batch in batches]).tolist() if batches else []) == list(
        range(len(rows))
    )
    for batch in batches:
        assert len(batch.ids) <= max_rows
        assert batch.ids.size <= max_tokens or len(batch.ids) == 1
        for place, row in enumerate(batch.rows):
            assert batch.ids[place, : batch.lengths[place]].tolist() == rows[row]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "max"}, "pooling 'max' is none of mean, cls"),
        ({"head": "mlp"}, "unknown head 'mlp'"),
        ({"max_tokens": 3}, "leave no room"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"data_flow": True}, "the model reads data flow, which a search does not find"),
        ({"kind": "dual-encoder", "passages": True}, "a dual-encoder reads no passages"),
    ],
)
def test_a_wrong_feeding_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse_feeding({**tiny_models.feeding_record("dual-encoder"), **changes}, "here")


def test_a_missing_key_is_named() -> None:
    record = tiny_models.feeding_record("dual-encoder")
    del record["prefix"]
    with pytest.raises(ModelError, match="prefix"):
        parse_feeding(record, "here")


def test_a_record_says_passages_only_where_it_is_so() -> None:
    """Names of models are hashes of records: one that says no more than before has the name that it had."""
    record = feeding_record(FEEDING)
    assert "passages" not in record
    assert parse_feeding(record, "here") == FEEDING
    with_passages = replace(FEEDING, passages=True)
    assert parse_feeding(feeding_record(with_passages), "here") == with_passages
    with pytest.raises(ModelError, match="passages 'no' is neither true nor false"):
        parse_feeding(record | {"passages": "no"}, "here")


def test_room_of_a_document_is_what_its_query_leaves() -> None:
    frame = FEEDING.max_tokens - 3
    assert [document_room(FEEDING, tokens) for tokens in (0, 2, frame, frame + 5)] == [frame, frame - 2, 0, 0]
    assert document_room(replace(FEEDING, document_max_tokens=4), 2) == 4
