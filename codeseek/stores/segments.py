"""Segments: immutable blocks of packed columns and posting lists, their deletion bitmaps, and merging.

A posting is one little-endian uint32: the chunk's offset in its segment (16 bits), how often the term occurs in body
and documentation (8 bits, saturated), and a bit for each field that holds it (8 bits). The weights of fields are
applied when searching, so tuning them rebuilds nothing.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from codeseek.errors import IndexDamaged
from codeseek.indexes.lexical import FIELD_BITS
from codeseek.stores.catalogue import KIND_CODES, get_meta, language_code, pack_document, set_meta
from codeseek.stores.sqlite import Database
from codeseek.types import Chunk

__all__ = [
    "FIELDS",
    "Columns",
    "SegmentWriter",
    "load_columns",
    "mark_dead",
    "merge_segments",
    "storable",
    "unpack_dead",
]

SEGMENT_MAX_CHUNKS = 1 << 16  # an offset has 16 bits
# When this many neighbouring segments lie below a limit they become one: a chunk is rewritten once a tier.
MERGE_TIERS = (256, 4_096, 32_768)
MERGE_RUN = 8
KEY_BYTES = 16

FIELDS = tuple(FIELD_BITS)
COUNTED_FIELDS = frozenset({"documentation", "body"})

_LAYOUT: tuple[tuple[str, str], ...] = (
    ("numbers", "<u4"),
    ("file_ids", "<u4"),
    ("start_lines", "<u4"),
    ("lengths", "<u2"),
    ("parts", "<u2"),
    ("kinds", "u1"),
    ("languages", "u1"),
)


@dataclass(frozen=True, slots=True)
class Columns:
    """What every search needs of each chunk, as arrays of one length. `lengths` counts terms in all fields."""

    numbers: np.ndarray
    file_ids: np.ndarray
    start_lines: np.ndarray
    lengths: np.ndarray
    parts: np.ndarray
    kinds: np.ndarray
    languages: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def pack(self) -> bytes:
        return b"".join(np.ascontiguousarray(getattr(self, name), dtype).tobytes() for name, dtype in _LAYOUT)

    def take(self, rows: np.ndarray | slice) -> Columns:
        """The rows of a mask or a slice."""
        return Columns(*(getattr(self, name)[rows] for name, _ in _LAYOUT))

    @classmethod
    def unpack(cls, data: bytes, count: int) -> Columns:
        arrays, at = [], 0
        for _, dtype in _LAYOUT:
            arrays.append(np.frombuffer(data, dtype, count, at))
            at += count * np.dtype(dtype).itemsize
        return cls(*arrays)

    @classmethod
    def concatenate(cls, parts: Sequence[Columns]) -> Columns:
        if not parts:
            return cls(*(np.empty(0, dtype) for _, dtype in _LAYOUT))
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name, _ in _LAYOUT))


def unpack_dead(data: bytes | None, count: int) -> np.ndarray | None:
    """The deletion bitmap as [count] bool, or None where nothing was deleted."""
    if data is None:
        return None
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count).view(bool)


def load_columns(database: Database, segment: int) -> tuple[Columns, np.ndarray | None]:
    """The columns of one segment, and which of its chunks are dead."""
    count, columns, dead = database.execute(
        "SELECT chunks, columns, dead FROM segments WHERE id = ?", (segment,)
    ).fetchone()
    return Columns.unpack(columns, count), unpack_dead(dead, count)


class _Vocabulary(dict[str, int]):
    """Numbers terms in the order met, at the speed of `map`."""

    def __missing__(self, term: str) -> int:
        self[term] = number = len(self)
        return number


@dataclass(slots=True)
class SegmentWriter:
    """Collects the chunks of one commit in memory; `write` puts them into the database as one segment.

    `occurrences` holds the term number of every occurrence of every field of every chunk, one after the other, and
    `field_lengths` how many belong to each field of each chunk.
    """

    rows: list[tuple] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    vocabulary: _Vocabulary = field(default_factory=_Vocabulary)
    occurrences: array = field(default_factory=lambda: array("I"))
    field_lengths: array = field(default_factory=lambda: array("I"))

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, chunk: Chunk, terms: Mapping[str, Iterable[str]], key: bytes, document: str) -> None:
        """Adds a chunk; its offset is the number of those added before."""
        number = self.vocabulary.__getitem__
        for name in FIELDS:
            before = len(self.occurrences)
            self.occurrences.extend(map(number, terms.get(name, ())))
            self.field_lengths.append(len(self.occurrences) - before)
        self.keys.append(key)
        self.rows.append(
            (
                KIND_CODES[chunk.kind],
                chunk.language,
                chunk.name,
                json.dumps(chunk.scope, ensure_ascii=True),
                storable(chunk.signature),
                chunk.span.start_line,
                chunk.span.end_line,
                chunk.bytes.start,
                chunk.bytes.end,
                chunk.part,
                storable("\n".join(chunk.members)),
                pack_document(document),
            )
        )

    def extend(self, other: SegmentWriter) -> None:
        """Adds the chunks of another one after its own."""
        numbers = np.fromiter(map(self.vocabulary.__getitem__, other.vocabulary), np.uint32, len(other.vocabulary))
        self.occurrences.frombytes(numbers[np.frombuffer(other.occurrences, np.uint32)].tobytes())
        self.field_lengths.extend(other.field_lengths)
        self.keys.extend(other.keys)
        self.rows.extend(other.rows)

    def write(self, database: Database, file_ids: Sequence[int]) -> int:
        """Writes the segment, or as many as it takes, inside the caller's transaction.

        Args:
            file_ids: Per chunk, in the order added.

        Returns:
            The number of the first chunk; the others follow it.
        """
        first = get_meta(database, "next_number", 0)
        count = len(self.rows)
        if not count:
            return first
        codes = {name: language_code(database, name) for name in {row[1] for row in self.rows}}
        database.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (number, file_id, row[0], codes[row[1]], storable(row[2]), *row[3:])
                for number, (file_id, row) in enumerate(zip(file_ids, self.rows, strict=True), first)
            ),
        )
        columns = Columns(
            np.arange(first, first + count, dtype=np.uint32),
            np.array(file_ids, np.uint32),
            np.array([row[5] for row in self.rows], np.uint32),
            np.minimum(self._field_lengths().sum(axis=1), 0xFFFF).astype(np.uint16),
            np.array([min(row[9], 0xFFFF) for row in self.rows], np.uint16),
            np.array([row[0] for row in self.rows], np.uint8),
            np.array([codes[row[1]] for row in self.rows], np.uint8),
        )
        for start in range(0, count, SEGMENT_MAX_CHUNKS):  # more than one where a single file has that many chunks
            rows = slice(start, start + SEGMENT_MAX_CHUNKS)
            segment = _insert_segment(database, columns.take(rows), b"".join(self.keys[rows]))
            database.executemany(
                "INSERT INTO postings VALUES (?, ?, ?)",
                ((segment, term, data) for term, data in self._posting_lists(rows)),
            )
        set_meta(database, "next_number", first + count)
        return first

    def _field_lengths(self) -> np.ndarray:
        """[chunks, fields] int64."""
        return np.array(self.field_lengths, np.int64).reshape(-1, len(FIELDS))

    def _posting_lists(self, rows: slice) -> Iterator[tuple[str, bytes]]:
        """(term, packed postings) by ascending term, of the chunks of one segment."""
        terms = [storable(term) for term in self.vocabulary]
        order = sorted(range(len(terms)), key=terms.__getitem__)
        place = np.empty(len(terms), np.uint64)
        place[order] = np.arange(len(terms), dtype=np.uint64)
        field_lengths = self._field_lengths()
        before, within = int(field_lengths[: rows.start].sum()), int(field_lengths[rows].sum())
        occurrences = np.array(self.occurrences[before : before + within], np.uint32)
        field_lengths = field_lengths[rows]
        fields = np.repeat(np.tile(np.arange(len(FIELDS)), len(field_lengths)), field_lengths.ravel())
        offsets = np.repeat(np.arange(len(field_lengths), dtype=np.uint64), field_lengths.sum(axis=1))
        # Sorting by term, then chunk, brings each posting's occurrences together.
        pairs = (place[occurrences] << np.uint64(16)) | offsets
        sorting = np.argsort(pairs, kind="stable")
        pairs, fields = pairs[sorting], fields[sorting]
        starts = np.flatnonzero(np.concatenate(([True], pairs[1:] != pairs[:-1]))) if len(pairs) else np.empty(0, int)
        masks = np.bitwise_or.reduceat(1 << fields, starts) if len(starts) else np.empty(0, int)
        counted = np.isin(fields, [FIELDS.index(name) for name in COUNTED_FIELDS])
        counts = np.minimum(np.add.reduceat(counted.astype(np.int64), starts), 0xFF) if len(starts) else masks
        heads = pairs[starts]
        data = (((heads & np.uint64(0xFFFF)).astype(np.int64) << 16) | (counts << 8) | masks).astype("<u4").tobytes()
        ends = np.searchsorted(heads >> np.uint64(16), np.arange(len(terms), dtype=np.uint64), side="right") * 4
        start = 0
        for at, end in zip(order, ends.tolist(), strict=True):
            if end > start:
                yield terms[at], data[start:end]
            start = end


def storable(text: str) -> str:
    """`text` as SQLite's TEXT can hold it, which has no lone surrogates; distinct texts stay distinct."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _insert_segment(database: Database, columns: Columns, keys: bytes) -> int:
    segment = get_meta(database, "next_segment", 1)
    set_meta(database, "next_segment", segment + 1)
    numbers = columns.numbers
    database.execute(
        "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, NULL)",
        (segment, int(numbers[0]), int(numbers[-1]), len(columns), columns.pack(), keys),
    )
    return segment


def mark_dead(database: Database, ranges: Iterable[tuple[int, int]]) -> None:
    """Deletes chunks inside the caller's transaction.

    Args:
        ranges: (first number, count), as the chunks of a file are.
    """
    by_segment: dict[int, list[np.ndarray]] = {}
    for first, count in ranges:
        if not count:
            continue
        database.execute("DELETE FROM chunks WHERE number >= ? AND number < ?", (first, first + count))
        holders = database.execute(
            "SELECT id FROM segments WHERE first_number < ? AND last_number >= ?", (first + count, first)
        )
        for (segment,) in holders:
            by_segment.setdefault(segment, []).append(np.arange(first, first + count))
    for segment, parts in by_segment.items():
        columns, dead = load_columns(database, segment)
        dead = np.zeros(len(columns), bool) if dead is None else dead.copy()
        dead |= np.isin(columns.numbers, np.concatenate(parts))
        if dead.all():
            _drop(database, [segment])
        else:
            database.execute("UPDATE segments SET dead = ? WHERE id = ?", (np.packbits(dead).tobytes(), segment))


def _drop(database: Database, segments: Iterable[int]) -> None:
    for segment in segments:
        database.execute("DELETE FROM segments WHERE id = ?", (segment,))
        database.execute("DELETE FROM postings WHERE segment = ?", (segment,))


def merge_segments(database: Database) -> int:
    """Merges runs of small neighbours, and rewrites a segment of which most is dead; inside the caller's transaction.

    Returns:
        How many segments were rewritten.
    """
    rewritten = 0
    while run := _segments_to_merge(database):
        _rewrite(database, run)
        rewritten += len(run)
    return rewritten


def _segments_to_merge(database: Database) -> list[int]:
    rows = database.execute("SELECT id, chunks, dead FROM segments ORDER BY first_number").fetchall()
    sizes = []
    for segment, count, data in rows:
        if not isinstance(count, int) or not isinstance(data, bytes | None):
            raise _damaged(segment)
        dead = unpack_dead(data, count)
        live = count if dead is None else count - int(dead.sum())
        if live * 2 < count:
            return [segment]
        sizes.append((segment, live))
    for limit in MERGE_TIERS:
        run: list[int] = []
        total = 0
        for segment, live in sizes:
            if live >= limit or total + live > SEGMENT_MAX_CHUNKS:
                run, total = [], 0
            if live < limit:
                run.append(segment)
                total += live
            if len(run) >= MERGE_RUN or (len(run) > 1 and total > SEGMENT_MAX_CHUNKS // 2):
                return run
    return []


def _damaged(segment: int) -> IndexDamaged:
    return IndexDamaged(f"segment {segment} cannot be read", hint="in its repository: codeseek index --rebuild")


def _rewrite(database: Database, segments: Sequence[int]) -> None:
    """Makes one segment of several neighbours, without their dead."""
    columns, keys, merged = [], [], {}
    base = 0
    for segment in segments:
        part, dead = load_columns(database, segment)
        live = np.ones(len(part), bool) if dead is None else ~dead
        key_data = database.execute("SELECT keys FROM segments WHERE id = ?", (segment,)).fetchone()[0]
        if not isinstance(key_data, bytes) or len(key_data) != KEY_BYTES * len(part):
            raise _damaged(segment)
        keys.append(np.frombuffer(key_data, f"V{KEY_BYTES}")[live].tobytes())
        columns.append(part.take(live))
        _collect_postings(database, segment, live, base, merged)
        base += int(live.sum())
    _drop(database, segments)
    target = _insert_segment(database, Columns.concatenate(columns), b"".join(keys))
    database.executemany(
        "INSERT INTO postings VALUES (?, ?, ?)",
        ((target, term, b"".join(parts)) for term, parts in sorted(merged.items())),
    )


def _collect_postings(
    database: Database, segment: int, live: np.ndarray, base: int, merged: dict[str, list[bytes]]
) -> None:
    """Appends the live postings of a segment to `merged`, with offsets of the segment to be; all terms in one pass."""
    rows = database.execute("SELECT term, data FROM postings WHERE segment = ? ORDER BY term", (segment,)).fetchall()
    if not rows:
        return
    postings = np.frombuffer(b"".join(data for _, data in rows), "<u4")
    ends = np.cumsum([len(data) // 4 for _, data in rows])
    offsets = postings >> 16
    kept = live[offsets]
    moved = (np.cumsum(live, dtype=np.uint32) - 1 + np.uint32(base)).astype(np.uint32)
    packed = ((moved[offsets[kept]] << 16) | (postings[kept] & 0xFFFF)).astype("<u4").tobytes()
    kept_ends = np.concatenate(([0], np.cumsum(kept)))[np.concatenate(([0], ends))] * 4
    for (term, _), start, end in zip(rows, kept_ends[:-1].tolist(), kept_ends[1:].tolist(), strict=True):
        if end > start:
            merged.setdefault(term, []).append(packed[start:end])
