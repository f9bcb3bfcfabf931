from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeseek.stores import catalogue, segments
from codeseek.stores.segments import Columns, SegmentWriter, mark_dead, merge_segments, unpack_dead
from codeseek.stores.sqlite import Database, transaction
from codeseek.types import ByteRange, Chunk, Kind, Span

TERMS = ["a", "b", "c", "naïve", "\udcff"]
FIELD_TERMS = st.dictionaries(st.sampled_from(segments.FIELDS), st.lists(st.sampled_from(TERMS), max_size=4))
# Commits of files, each of chunks, each of fields; after each, some of the files so far are deleted.
COMMITS = st.lists(
    st.tuples(st.lists(st.lists(FIELD_TERMS, max_size=3), max_size=3), st.lists(st.integers(0, 20), max_size=2)),
    min_size=1,
    max_size=8,
)


def chunk(name: str) -> Chunk:
    return Chunk(
        "a.py", "python", Kind.FUNCTION, name, ("S",), f"def {name}()", "", Span(3, 4), ByteRange(5, 9), "text", part=1
    )


def open_database(path: Path) -> Database:
    return catalogue.open_for_writing(path, b"/root")


def commit(database: Database, file_id: int, files: list[list[dict]]) -> list[tuple[int, int]]:
    """Writes one segment; the (first number, count) of each file."""
    with transaction(database):
        writer, ids, ranges = SegmentWriter(), [], []
        first = catalogue.get_meta(database, "next_number", 0)
        for at, chunks in enumerate(files):
            ranges.append((first + len(ids), len(chunks)))
            for terms in chunks:
                writer.add(chunk("f"), terms, len(ids).to_bytes(16, "big"), "document")
                ids.append(file_id + at)
        writer.write(database, ids)
    return ranges


def decode(database: Database) -> dict[int, dict[str, tuple[int, int]]]:
    """By chunk number: the count and fields of each term, as the live postings say."""
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for segment, count, data, dead in database.execute("SELECT id, chunks, columns, dead FROM segments"):
        numbers = Columns.unpack(data, count).numbers
        gone = unpack_dead(dead, count)
        for number, is_dead in zip(numbers, np.zeros(count, bool) if gone is None else gone, strict=True):
            if not is_dead:
                found[int(number)] = {}
        for term, postings in database.execute("SELECT term, data FROM postings WHERE segment = ?", (segment,)):
            for posting in np.frombuffer(postings, "<u4").tolist():
                number = int(numbers[posting >> 16])
                if number in found:
                    found[number][term] = (posting >> 8 & 0xFF, posting & 0xFF)
    return found


def expected_terms(terms: dict[str, list[str]]) -> dict[str, tuple[int, int]]:
    counts: Counter[str] = Counter()
    masks: dict[str, int] = {}
    for name, words in terms.items():
        for word in map(segments.storable, words):
            counts[word] += name in segments.COUNTED_FIELDS
            masks[word] = masks.get(word, 0) | 1 << segments.FIELDS.index(name)
    return {word: (counts[word], mask) for word, mask in masks.items()}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commits=COMMITS)
def test_postings_survive_deleting_and_merging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: list[tuple]
) -> None:
    monkeypatch.setattr(segments, "MERGE_RUN", 2)
    (tmp_path / "c.sqlite").unlink(missing_ok=True)
    database = open_database(tmp_path / "c.sqlite")
    expected: dict[int, dict] = {}
    live: list[tuple[int, int]] = []
    for files, deletions in commits:
        ranges = commit(database, 1, files)
        for (first, _), chunks in zip(ranges, files, strict=True):
            expected |= {first + at: expected_terms(terms) for at, terms in enumerate(chunks)}
        live += [found for found in ranges if found[1]]
        gone = [live.pop(at % len(live)) for at in deletions if live]
        with transaction(database):
            mark_dead(database, gone)
            merge_segments(database)
        for first, count in gone:
            for number in range(first, first + count):
                del expected[number]
        assert decode(database) == expected
    numbers = [number for (number,) in database.execute("SELECT number FROM chunks ORDER BY number")]
    assert numbers == sorted(expected)
    # With runs of two, what is left is geometric: no more segments than tiers allow.
    assert database.execute("SELECT count(*) FROM segments").fetchone()[0] <= 2
    database.close()


def test_columns_hold_what_was_added(tmp_path: Path) -> None:
    database = open_database(tmp_path / "c.sqlite")
    commit(database, 7, [[{"name": ["x"], "body": ["x", "y", "x"]}, {}]])
    segment = database.execute("SELECT id FROM segments").fetchone()[0]
    columns, dead = segments.load_columns(database, segment)
    assert dead is None
    assert columns.numbers.tolist() == [0, 1]
    assert columns.file_ids.tolist() == [7, 7]
    assert columns.start_lines.tolist() == [3, 3]
    assert columns.lengths.tolist() == [4, 0]
    assert columns.parts.tolist() == [1, 1]
    assert decode(database)[0] == {"x": (2, 0b100010), "y": (1, 0b100000)}
    database.close()


def test_counts_saturate(tmp_path: Path) -> None:
    database = open_database(tmp_path / "c.sqlite")
    commit(database, 1, [[{"body": ["x"] * 70_000, "path": ["x"]}]])
    assert decode(database)[0] == {"x": (255, 0b100001)}
    assert segments.load_columns(database, 1)[0].lengths.tolist() == [65_535]
    database.close()


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    database = open_database(tmp_path / "c.sqlite")
    first = commit(database, 1, [[{}, {}]])
    with transaction(database):
        mark_dead(database, first)
    assert commit(database, 1, [[{}]]) == [(2, 1)]
    database.close()


def test_chunks_come_back_as_they_were(tmp_path: Path) -> None:
    database = open_database(tmp_path / "c.sqlite")
    commit(database, 1, [[{}]])
    database.execute("INSERT INTO files VALUES (1, ?, 1, 1, 1, x'00', 1, 0, 1)", (b"caf\xe9.py",))
    stored = catalogue.load_chunks(database, [0, 0], catalogue.language_names(database))
    assert stored[0] == stored[1]
    found, original = stored[0], chunk("f")
    assert found.path == "caf\udce9.py"
    assert catalogue.load_documents(database, [0]) == ["document"]
    for name in ("language", "kind", "name", "scope", "signature", "span", "bytes", "part"):
        assert getattr(found, name) == getattr(original, name)
    database.close()


def test_every_kind_has_a_code() -> None:
    assert set(catalogue.KINDS) == set(Kind)
    assert catalogue.KINDS[:3] == (Kind.FUNCTION, Kind.METHOD, Kind.CONSTRUCTOR)
