"""PassageSelector: what is chosen of a long document for a query, on words that stand for token ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.tiny_models import feeding_record, save_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from codeseek.encoders.feeding import parse_feeding
from codeseek.encoders.passages import HEAD_TOKENS, PIECE_TOKENS, PassageSelector
from codeseek.encoders.tokens import load_tokenizer
from codeseek.rankers.cross import PairReader

WORDS = [*(f"w{number}" for number in range(40)), "token", "tokens", "##token", "Ġtoken", "the", "(", "x"]
ID = {word: number for number, word in enumerate(WORDS)}
LIMIT = HEAD_TOKENS + 3 * PIECE_TOKENS


def ids(text: str) -> list[int]:
    return [ID[word] for word in text.split()]


def filler(count: int) -> list[int]:
    return [number % 40 for number in range(count)]


@pytest.fixture
def passages() -> PassageSelector:
    return PassageSelector(WORDS.__getitem__)


def test_a_document_that_fits_is_read_whole(passages: PassageSelector) -> None:
    assert passages.cut(ids("token"), filler(LIMIT), LIMIT) == filler(LIMIT)


@pytest.mark.parametrize("query", ["", "the (", "x"], ids=["empty", "says nothing", "one letter"])
def test_a_query_that_shares_nothing_reads_the_beginning(passages: PassageSelector, query: str) -> None:
    document = [*filler(300), *ids("the ( x")]
    assert passages.cut(ids(query), document, LIMIT) == document[:LIMIT]


@pytest.mark.parametrize("word", ["token", "tokens", "##token", "Ġtoken"])
def test_the_piece_that_has_the_querys_word_follows_the_beginning(passages: PassageSelector, word: str) -> None:
    document = [*[0] * 200, *ids(word), *[0] * 100]
    cut = passages.cut(ids("the token"), document, LIMIT)
    assert len(cut) == LIMIT
    assert cut.count(ID[word]) == 1
    assert passages.cut(ids("w7"), document, LIMIT) == document[:LIMIT]


def holding(*words: str) -> list[int]:
    """A piece that says these words."""
    return [*ids(" ".join(words)), *[0] * (PIECE_TOKENS - len(words))]


def test_a_word_of_few_pieces_goes_before_one_of_many(passages: PassageSelector) -> None:
    document = [*[0] * HEAD_TOKENS, *holding("w1") * 6, *holding("w2")]
    cut = passages.cut(ids("w1 w2"), document, HEAD_TOKENS + PIECE_TOKENS)
    assert (cut.count(ID["w1"]), cut.count(ID["w2"])) == (0, 1)


def test_a_word_that_is_there_counts_little(passages: PassageSelector) -> None:
    twins, other = holding("w1", "w2") * 2, holding("w3") * 3
    cut = passages.cut(ids("w1 w2 w3"), [*[0] * HEAD_TOKENS, *twins, *other], HEAD_TOKENS + 2 * PIECE_TOKENS)
    assert [cut.count(ID[word]) for word in ("w1", "w2", "w3")] == [1, 1, 1]


@given(
    query=st.lists(st.integers(0, len(WORDS) - 1), max_size=8),
    document=st.lists(st.integers(0, len(WORDS) - 1), max_size=300),
    limit=st.integers(1, 200),
)
def test_a_passage_is_part_of_the_document_in_its_order(query: list[int], document: list[int], limit: int) -> None:
    cut = PassageSelector(WORDS.__getitem__).cut(query, document, limit)
    assert len(cut) == min(len(document), limit)
    left = iter(document)
    assert all(token in left for token in cut)
    assert list(cut[:HEAD_TOKENS]) == document[: min(HEAD_TOKENS, limit)]


def test_a_long_query_leaves_the_passage_less_room_and_its_words_in_it(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    record = feeding_record("cross-encoder", query_max_tokens=30, document_max_tokens=60, max_tokens=80, passages=True)
    query = "folder " + "open close name " * 9
    (row,), start = PairReader(parse_feeding(record, "test"), tokenizer).rows(query, ["read write " * 60 + "folder"])
    assert len(row) == 80
    assert "folder" in tokenizer.decode(row[start:]).split()


def test_a_ranker_reads_passages_where_its_folder_says_so(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    document = "read write " * 40 + "folder"
    rows = []
    for passages in (False, True):
        record = feeding_record("cross-encoder", document_max_tokens=50, max_tokens=80, passages=passages)
        feeding = parse_feeding(json.loads(json.dumps(record)), "test")
        (row,), start = PairReader(feeding, tokenizer).rows("parse the folder", [document])
        rows.append(tokenizer.decode(row[start:]).split())
    assert len(rows[0]) == len(rows[1])
    assert ("folder" in rows[0], "folder" in rows[1]) == (False, True)
