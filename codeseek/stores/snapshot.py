"""An opened index: one state of one root, held until it is closed, whatever a writer does meanwhile.

A document is addressed by its *position*, its place in the arrays of this snapshot; its *number* is what stays the same
from one snapshot to the next.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from codeseek.errors import CodeseekError, IndexDamaged, IndexFormat
from codeseek.ignore import Globs
from codeseek.indexes.dense import DenseIndex
from codeseek.indexes.generation import Generation, open_generation
from codeseek.indexes.lexical import LexicalIndex, Postings
from codeseek.indexes.quantised import record_dtype
from codeseek.paths import CATALOGUE_NAME, encoder_slug, index_dir, vectors_path
from codeseek.stores import catalogue
from codeseek.stores.segments import Columns, storable, unpack_dead
from codeseek.stores.sqlite import Database, translated
from codeseek.stores.vectors import KEY_DTYPE, VectorStore
from codeseek.types import Filters, Freshness, Kind, Skipped, StoredChunk

__all__ = ["Index", "generation_dir", "generation_key", "open_index"]

# Of the terms of recent queries, since a batch repeats its common words: 10 bytes each. Of a million chunks the
# commonest words have half a million.
CACHED_POSTINGS_MAX = 8_000_000


def generation_key(encoder_name: str) -> str:
    """The catalogue's `meta` key that names the current dense generation of an encoder."""
    return f"dense:{encoder_slug(encoder_name)}"


def generation_dir(folder: Path, encoder_name: str, generation: int) -> Path:
    return folder / "dense" / encoder_slug(encoder_name) / f"{generation:06d}"


def open_index(root: Path, encoder_name: str | None = None, *, folder: Path | None = None) -> Index:
    """Opens the index of `root` for searching.

    Args:
        root: As `paths.find_root` gives it.
        encoder_name: Whose vectors `dense` searches; None for an index without them.
        folder: Where the index is, for one whose root is a link by now and leads elsewhere; None for `root`'s own.

    Raises:
        IndexMissing: If nothing was indexed.
        IndexFormat: If another version wrote it.
        IndexDamaged: If it cannot be read.
    """
    path = (folder or index_dir(root)) / CATALOGUE_NAME
    database = catalogue.open_for_reading(path, root)
    try:
        with translated(path):
            return Index(root, path, database, encoder_name)
    except (TypeError, ValueError) as error:  # a column that SQLite read as another type than it was written
        database.close()
        raise IndexDamaged(
            f"{path} holds values that cannot be read: {error}", hint="in its repository: codeseek index --rebuild"
        ) from error
    except BaseException:
        database.close()
        raise


class Index:
    """One snapshot, as arrays by position [N] and the two search structures. A context manager."""

    def __init__(self, root: Path, path: Path, database: Database, encoder_name: str | None) -> None:
        self.root = root
        self.encoder_name = encoder_name
        self._path = path
        self._database = database
        self._terms: dict[str, Postings] = {}
        self._cached_postings = 0
        self._file_masks: dict[tuple, np.ndarray] = {}
        self._last_allowed: tuple[Filters | None, np.ndarray | None] = (None, None)
        parts, self._bases, self._ranks, self._segments = [], [], [], []
        base = 0
        rows = database.execute("SELECT id, chunks, columns, dead FROM segments ORDER BY first_number")
        for segment, count, data, dead_data in rows:
            if len(data) != count * 18:
                raise IndexDamaged(
                    f"segment {segment} of {path} is cut off", hint="in its repository: codeseek index --rebuild"
                )
            columns, dead = Columns.unpack(data, count), unpack_dead(dead_data, count)
            rank = None
            if dead is not None:
                live = ~dead
                columns = columns.take(live)
                rank = np.where(live, np.cumsum(live) - 1 + base, -1)
            self._segments.append(segment)
            self._bases.append(base)
            self._ranks.append(rank)
            parts.append(columns)
            base += len(columns)
        self.columns = Columns.concatenate(parts)
        self._all_languages = catalogue.language_names(database)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.columns)

    def close(self) -> None:
        self._database.close()

    # ---------------------------------------------------------------------------------------------- columns by position

    @property
    def numbers(self) -> np.ndarray:
        """[N] uint32, ascending."""
        return self.columns.numbers

    @property
    def file_ids(self) -> np.ndarray:
        """[N] uint32; documents of one file share it."""
        return self.columns.file_ids

    @property
    def start_lines(self) -> np.ndarray:
        """[N] uint32, 1-based."""
        return self.columns.start_lines

    @property
    def lengths(self) -> np.ndarray:
        """[N] uint16: terms in all fields, saturated."""
        return self.columns.lengths

    @property
    def parts(self) -> np.ndarray:
        """[N] uint16: 0 for the first or only part of a definition."""
        return self.columns.parts

    @property
    def kinds(self) -> np.ndarray:
        """[N] uint8, places in `kind_names`."""
        return self.columns.kinds

    @property
    def languages(self) -> np.ndarray:
        """[N] uint8, places in `language_names`."""
        return self.columns.languages

    @property
    def kind_names(self) -> tuple[Kind, ...]:
        return catalogue.KINDS

    @property
    def language_names(self) -> tuple[str, ...]:
        """By code; code 0, the empty name, stands for no language."""
        return self._all_languages

    @cached_property
    def _files(self) -> tuple[np.ndarray, list[str], np.ndarray]:
        """File ids in the order of their paths, the paths, and the place of each id in that order."""
        with translated(self._path):
            rows = self._database.execute("SELECT id, path FROM files ORDER BY path").fetchall()
        ids = np.array([row[0] for row in rows], np.int64)
        places = np.zeros(int(ids.max()) + 1 if len(ids) else 1, np.int64)
        places[ids] = np.arange(len(ids))
        return ids, [row[1].decode("utf-8", "surrogateescape") for row in rows], places

    @property
    def paths(self) -> list[str]:
        """The paths of the indexed files, ordered by their bytes."""
        return self._files[1]

    def path_places(self, positions: np.ndarray) -> np.ndarray:
        """Where in `paths` the file of each document is: [K] positions -> [K] int64."""
        return self._files[2][self.columns.file_ids[positions]]

    def path_of(self, position: int) -> str:
        return self.paths[int(self.path_places(np.array([position]))[0])]

    def tie_break(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The keys that order documents of one score: [K] place of the path, [K] first line."""
        return self.path_places(positions), self.columns.start_lines[positions]

    def positions(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """The positions of document numbers that are live: [K] -> [K] int64.

        Raises:
            IndexDamaged: If one is not in this snapshot.
        """
        wanted = np.asarray(numbers, np.int64)
        at = np.minimum(np.searchsorted(self.columns.numbers, wanted), max(len(self) - 1, 0))
        if len(wanted) and (not len(self) or (self.columns.numbers[at] != wanted).any()):
            raise IndexDamaged("a document is not in this snapshot", hint="in its repository: codeseek index --rebuild")
        return at.astype(np.int64)

    def chunks(self, numbers: Sequence[int] | np.ndarray) -> list[StoredChunk]:
        """The chunks of document numbers, in that order."""
        with translated(self._path):
            return catalogue.load_chunks(self._database, list(map(int, numbers)), self._all_languages)

    def documents(self, numbers: Sequence[int] | np.ndarray) -> list[str]:
        """What the ranker reads of document numbers, in that order."""
        with translated(self._path):
            return catalogue.load_documents(self._database, list(map(int, numbers)))

    def chunks_of(self, path: str) -> list[StoredChunk]:
        """The chunks of one file in the order of its lines; none where it is not indexed."""
        record = self.file(path)
        return self.chunks(range(record.first_number, record.first_number + record.chunks)) if record else []

    def file(self, path: str) -> catalogue.FileRecord | None:
        """What is known of one file; None where it is not indexed."""
        with translated(self._path):
            return catalogue.load_file(self._database, path)

    def files(self) -> dict[bytes, catalogue.FileRecord]:
        """What is known of every indexed file, by path."""
        with translated(self._path):
            return catalogue.load_files(self._database)

    def files_by_language(self) -> dict[str, int]:
        """How many files are of each language, most first; those of none under ""."""
        with translated(self._path):
            rows = self._database.execute(
                "SELECT language, count(*) FROM files GROUP BY language ORDER BY count(*) DESC, language"
            ).fetchall()
        return {self._all_languages[code]: count for code, count in rows}

    def skipped(self) -> list[Skipped]:
        """What is not in the index, with its reason, by path."""
        return [record.skipped for _, record in sorted(self.skip_records().items())]

    def skip_records(self) -> dict[bytes, catalogue.SkipRecord]:
        """As `skipped`, by path, with the size and the times that each file had."""
        with translated(self._path):
            return catalogue.load_skipped(self._database)

    @property
    def max_file_bytes(self) -> int | None:
        """The limit that somebody chose for this index; None where nobody did."""
        with translated(self._path):
            return catalogue.file_limit(self._database)

    @property
    def identity(self) -> str:
        """As `catalogue.identity`."""
        with translated(self._path):
            return catalogue.identity(self._database)

    @property
    def built_s(self) -> float:
        """When the catalogue last changed, in seconds since the epoch."""
        with translated(self._path):
            return catalogue.built_s(self._database)

    # -------------------------------------------------------------------------------------------------------- searching

    @cached_property
    def lexical(self) -> LexicalIndex:
        return self.lexical_index()

    def lexical_index(self, **options: object) -> LexicalIndex:
        """BM25F with other weights or constants than the default; see `LexicalIndex`."""
        return LexicalIndex(self._postings, self.columns.lengths, self.tie_break, **options)  # type: ignore[arg-type]

    def _postings(self, term: str) -> Postings:
        known = self._terms.get(term)
        if known is not None:
            return known
        stored = storable(term)
        positions, packed = [], []
        with translated(self._path):
            for segment, base, rank in zip(self._segments, self._bases, self._ranks, strict=True):
                row = self._database.execute(
                    "SELECT data FROM postings WHERE segment = ? AND term = ?", (segment, stored)
                ).fetchone()
                if row is None:
                    continue
                data = np.frombuffer(row[0], "<u4")
                offsets = data >> 16
                if rank is None:
                    positions.append(offsets.astype(np.int64) + base)
                else:
                    placed = rank[offsets]
                    positions.append(placed[placed >= 0])
                    data = data[placed >= 0]
                packed.append(data & 0xFFFF)
        if packed:
            low = np.concatenate(packed)
            postings = Postings(np.concatenate(positions), (low >> 8).astype(np.uint8), (low & 0xFF).astype(np.uint8))
        else:
            postings = Postings(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.uint8))
        self._terms[term] = postings
        self._cached_postings += len(postings) + 1
        while self._cached_postings > CACHED_POSTINGS_MAX and len(self._terms) > 1:
            self._cached_postings -= len(self._terms.pop(next(iter(self._terms)))) + 1
        return postings

    @cached_property
    def dense(self) -> DenseIndex:
        """Dense search over the documents that have a vector. A damaged generation counts as none: where the vectors
        are is asked of the store then, which is slower and answers the same."""
        rows = np.full(len(self), -1, np.int32)
        store = self._open_store()
        if store is None:
            return DenseIndex(rows, np.empty(0, record_dtype(1)), self.tie_break)
        with store:
            records = store.records()
            generation = self._open_generation(store.identity, len(records))
            if generation is not None:
                rows = generation.rows_of(self.numbers)
            unplaced = np.flatnonzero(rows < 0)
            if len(unplaced):
                keys, inverse = np.unique(self.keys(unplaced), return_inverse=True)
                rows[unplaced] = _rows_as_found(store, keys)[inverse]
        return DenseIndex(rows, records, self.tie_break, generation, len(rows) - len(unplaced))

    def forget_dense(self) -> None:
        """Lets `dense` see vectors that were stored since it was first asked for."""
        self.__dict__.pop("dense", None)

    def keys(self, positions: np.ndarray | None = None) -> np.ndarray:
        """The content keys of documents, [K] S16; of all where `positions` is None."""
        wanted = np.ones(len(self), bool)
        if positions is not None:
            wanted = np.zeros(len(self), bool)
            wanted[positions] = True
        parts = []
        bases = [*self._bases, len(self)]
        for place, segment in enumerate(self._segments):
            inside = wanted[bases[place] : bases[place + 1]]
            if not inside.any():
                continue
            rank = self._ranks[place]
            keys = self._segment_keys(segment, len(inside) if rank is None else len(rank))
            parts.append((keys if rank is None else keys[rank >= 0])[inside])
        return np.concatenate(parts) if parts else np.empty(0, KEY_DTYPE)

    def _segment_keys(self, segment: int, count: int) -> np.ndarray:
        """The keys of a segment, [count] S16, those of its dead included."""
        with translated(self._path):
            (data,) = self._database.execute("SELECT keys FROM segments WHERE id = ?", (segment,)).fetchone()
        if not isinstance(data, bytes) or len(data) != count * KEY_DTYPE.itemsize:
            raise IndexDamaged(
                f"segment {segment} of {self._path} is cut off", hint="in its repository: codeseek index --rebuild"
            )
        return np.frombuffer(data, KEY_DTYPE)

    @property
    def generation_number(self) -> int | None:
        """The dense generation that this snapshot names, whether it can be opened or not."""
        with translated(self._path):
            number = catalogue.get_meta(self._database, generation_key(self.encoder_name or ""))
        return number if isinstance(number, int) else None  # anything else is damage: it is derived again then

    def _open_generation(self, store: str, count: int) -> Generation | None:
        """The generation, if it is whole and about the rows of this store, of which there are `count`."""
        if self.generation_number is None:
            return None
        try:
            generation = open_generation(
                generation_dir(self._path.parent, self.encoder_name or "", self.generation_number)
            )
        except IndexDamaged:
            return None
        is_ours = generation.store == store and (generation.rows < count).all() and (generation.rows >= -1).all()
        return generation if is_ours else None

    def _open_store(self) -> VectorStore | None:
        """The vector store, converted if an older version wrote it; None where it cannot be opened or there is none."""
        path = vectors_path(self.encoder_name) if self.encoder_name is not None else None
        if path is None or not path.exists():
            return None
        try:
            try:
                return VectorStore(path, read_only=True)
            except IndexFormat:
                VectorStore(path).close()
                return VectorStore(path, read_only=True)
        except (CodeseekError, sqlite3.Error, UnicodeDecodeError):
            return None

    def allowed(self, filters: Filters) -> np.ndarray | None:
        """Which documents a filter leaves: [N] bool, or None for all."""
        if not filters:
            return None
        if filters != self._last_allowed[0]:
            self._last_allowed = filters, self._mask(filters)
        return self._last_allowed[1]

    def _mask(self, filters: Filters) -> np.ndarray:
        mask = np.ones(len(self), bool)
        if filters.kinds:
            mask &= _by_code([kind in filters.kinds for kind in self.kind_names])[self.kinds]
        if filters.languages:
            mask &= _by_code([name in filters.languages for name in self._all_languages])[self.languages]
        if filters.globs or filters.paths:
            mask &= self._file_mask(filters)[self.file_ids]
        mask.flags.writeable = False  # it is given out again
        return mask

    def _file_mask(self, filters: Filters) -> np.ndarray:
        """By file id: whether its path passes the globs and lies under one of the paths."""
        key = (filters.globs, filters.paths)
        if key not in self._file_masks:
            ids, paths, places = self._files
            globs = Globs(filters.globs)
            folders = tuple(path.removeprefix("./").rstrip("/") for path in filters.paths)
            anywhere = not folders or "" in folders or "." in folders
            prefixes = tuple(f"{folder}/" for folder in folders)
            exact = set(folders)
            mask = np.zeros(len(places), bool)
            mask[ids] = [
                (anywhere or path in exact or path.startswith(prefixes)) and globs.matches(path) for path in paths
            ]
            self._file_masks[key] = mask
        return self._file_masks[key]

    @cached_property
    def freshness(self) -> Freshness:
        """Counts of this snapshot; `updated_files` and `removed_files` are 0, the build knows those."""
        return Freshness(len(self.paths), len(self), 0, 0, self.dense.vectors)


def _rows_as_found(store: VectorStore, keys: np.ndarray) -> np.ndarray:
    """As `VectorStore.rows_of`; none of them where pages of the store cannot be read. The next build meets those when
    it writes, and makes the store anew."""
    try:
        return np.maximum(store.rows_of(keys), -1)  # a row below is damage too
    except IndexDamaged:
        return np.full(len(keys), -1, np.int32)


def _by_code(flags: Sequence[bool]) -> np.ndarray:
    """[256] bool: a flag by code, False for codes that nothing has."""
    table = np.zeros(256, bool)
    table[: len(flags)] = flags
    return table
