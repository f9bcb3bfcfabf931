"""Readers: what they keep, what they refuse and how they say so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from codeseek.errors import DataError, FileError
from codeseek.train.data import TrainingSet, load_training_set
from codeseek.train.rankings import TeacherScores, load_ranking
from codeseek.train.tokens import TokenTable, TokenWriter

PAIR = '{"query": "open", "document": "abc", "repository": "r", "document_id": "d1"}'


def letters(texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """A token a character: its code."""
    return [[ord(letter) for letter in text[:max_tokens]] for text in texts]


def load(folder: Path, documents: Path | None = None) -> TrainingSet:
    return load_training_set(
        folder / "pairs.jsonl",
        documents,
        letters,
        tokenizer_name="letters",
        vocabulary_size=256,
        query_max_tokens=3,
        document_max_tokens=5,
        cache_dir=folder / "cache",
    )


def test_texts_are_cut_and_kept_as_small_integers(tmp_path: Path) -> None:
    writer = TokenWriter(tmp_path / "t", letters, 3, 256)
    assert [writer.add(text) for text in ("abcd", "", "xy")] == [0, 1, 2]
    table = writer.close()
    assert [table[row].tolist() for row in range(3)] == [[97, 98, 99], [], [120, 121]]
    assert table.ids.dtype == np.uint16
    assert TokenTable.open(tmp_path / "t").lengths.tolist() == [3, 0, 2]
    assert TokenWriter(tmp_path / "u", letters, 3, 70_000).close().ids.dtype == np.uint16  # empty: no matter


def test_a_large_vocabulary_takes_wider_integers(tmp_path: Path) -> None:
    writer = TokenWriter(tmp_path / "t", lambda texts, most: [[69_999] for _ in texts], 3, 70_000)
    writer.add("a")
    assert writer.close()[0].tolist() == [69_999]


def test_a_pair_whose_text_differs_from_the_index_is_a_document_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(
        PAIR + "\n\n" + PAIR.replace("open", "shut").replace("abc", "abcdefgh") + "\n"
    )
    documents = tmp_path / "documents.jsonl"
    documents.write_text('{"document_id": "d1", "repository": "r", "text": "abc"}\n')
    training = load(tmp_path, documents)
    assert training.positive.tolist() == [0, 1]
    assert training.document_ids == ["d1", "d1"]
    assert training.identity.tolist() == [0, 0]
    assert [bytes(training.documents[row].tolist()) for row in range(2)] == [b"abc", b"abcde"]
    assert training.query_ids == ["0", "1"]


def test_what_else_answers_is_kept_where_it_is_known(tmp_path: Path) -> None:
    also = PAIR.replace('"document_id"', '"also": ["d2", "nowhere"], "document_id"')
    (tmp_path / "pairs.jsonl").write_text(PAIR + "\n" + also + "\n")
    documents = tmp_path / "documents.jsonl"
    documents.write_text("".join(f'{{"document_id": "d{n}", "repository": "r", "text": "{n}"}}\n' for n in (1, 2)))
    training = load(tmp_path, documents)
    assert training.also.tolist() == [[1, training.identity[training.document_ids.index("d2")]]]


def test_a_second_load_maps_what_the_first_one_left(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(PAIR)
    first = load(tmp_path)
    (tmp_path / "cache").chmod(0o500)
    again = load(tmp_path)
    (tmp_path / "cache").chmod(0o700)
    assert again.queries[0].tolist() == first.queries[0].tolist()
    (tmp_path / "pairs.jsonl").write_text(PAIR.replace("open", "close"))
    assert bytes(load(tmp_path).queries[0].tolist()) == b"clo"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query": 3}', r"pairs.jsonl:1 field 'query' holds int, wanted a string"),
        (PAIR.replace('"document_id": "d1"', '"x": 0'), r"field 'document_id' holds nothing"),
        (PAIR.replace('"document_id"', '"also": "d2", "document_id"'), r"pairs.jsonl:1 field 'also' is no list"),
        ("[1]", r"pairs.jsonl:1 holds list, wanted an object"),
        ("{", r"pairs.jsonl:1 is no JSON"),
        ("\n", r"holds no pairs"),
    ],
)
def test_a_wrong_record_names_file_line_and_field(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "pairs.jsonl").write_text(line)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot read .*pairs.jsonl: No such file"):
        load(tmp_path)


def ranked(tmp_path: Path, line: str) -> TrainingSet:
    (tmp_path / "pairs.jsonl").write_text(PAIR + "\n" + PAIR.replace("d1", "d2").replace("abc", "xyz"))
    (tmp_path / "ranking.jsonl").write_text(line)
    return load(tmp_path)


def test_ranking_is_cut_padded_and_finds_the_positives_score(tmp_path: Path) -> None:
    training = ranked(
        tmp_path,
        '{"query_id": "0", "documents": ["d2", "d1"], "scores": [3, 2]}\n'
        '{"query_id": "x", "documents": [], "scores": []}',
    )
    ranking = load_ranking(tmp_path / "ranking.jsonl", training, 3)
    assert ranking.documents.tolist() == [[1, 0, -1], [-1, -1, -1]]
    assert ranking.positive_scores[0] == 2
    assert np.isnan(ranking.positive_scores[1])
    teacher = TeacherScores(training, ranking)
    found = teacher.lookup(np.array([0, 1]), np.array([[0, 1, -1], [0, 1, -1]]))
    assert found[0, :2].tolist() == [2, 3]
    assert np.isnan(found[0, 2])
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query_id": "0", "documents": ["d9"], "scores": [1]}', "names the unknown document 'd9'"),
        ('{"query_id": "0", "documents": ["d1"], "scores": []}', "are not lists of the same length"),
        ('{"query_id": "0", "documents": ["d1"], "scores": ["high"]}', "something that is no number"),
        ('{"query_id": "7", "documents": [], "scores": []}', "ranks none of the 2 queries"),
    ],
)
def test_a_wrong_ranking_says_why(tmp_path: Path, line: str, message: str) -> None:
    training = ranked(tmp_path, line)
    with pytest.raises(DataError, match=message):
        load_ranking(tmp_path / "ranking.jsonl", training, 5)
