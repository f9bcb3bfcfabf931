"""Check an index against itself: what `codeseek status --check` prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from codeseek.errors import CodeseekError, IndexDamaged
from codeseek.indexes.generation import open_generation, verify_checksums
from codeseek.indexes.hnsw import load_graph
from codeseek.paths import CATALOGUE_NAME, index_dir, vectors_path
from codeseek.stores import catalogue
from codeseek.stores.segments import Columns, unpack_dead
from codeseek.stores.snapshot import generation_dir, generation_key
from codeseek.stores.sqlite import Database, translated
from codeseek.stores.vectors import KEY_DTYPE, VectorStore, find_damaged_rows

__all__ = ["verify_index"]


def verify_index(root: Path, encoder_name: str | None = None) -> list[str]:
    """Everything that is wrong with the index of `root`; empty if nothing is. Reads all of it, changes nothing.

    Raises:
        IndexMissing: If there is none.
        IndexFormat: If another version wrote it.
    """
    path = index_dir(root) / CATALOGUE_NAME
    try:
        database = catalogue.open_for_reading(path, root)
    except IndexDamaged as error:
        return [str(error)]
    try:
        with translated(path):
            problems = [f"catalogue: {text}" for (text,) in database.execute("PRAGMA integrity_check") if text != "ok"]
            if problems:
                return problems  # what follows would only repeat it
            problems += _check_chunks(database)
            problems += _check_postings(database)
            if encoder_name is not None:
                problems += _check_generation(database, path.parent, encoder_name)
    except IndexDamaged as error:
        return [str(error)]
    finally:
        database.close()
    return problems


def _segments(database: Database) -> Iterator[tuple[int, Columns, np.ndarray, int]]:
    """(id, columns, which are live, bytes of keys)."""
    rows = database.execute("SELECT id, chunks, columns, dead, length(keys) FROM segments ORDER BY first_number")
    for segment, count, data, dead_data, key_bytes in rows:
        dead = unpack_dead(dead_data, count)
        yield segment, Columns.unpack(data, count), np.ones(count, bool) if dead is None else ~dead, key_bytes


def _check_chunks(database: Database) -> list[str]:
    """The table of chunks, the columns of the segments and the table of files say the same."""
    problems, parts = [], []
    for segment, columns, live, key_bytes in _segments(database):
        if key_bytes != len(columns) * KEY_DTYPE.itemsize:
            problems.append(f"segment {segment}: {key_bytes} bytes of keys for {len(columns)} chunks")
        parts.append(columns.take(live))
    columns = Columns.concatenate(parts)
    if (np.diff(columns.numbers.astype(np.int64)) <= 0).any():
        problems.append("segments: chunk numbers do not ascend")
    rows = database.execute("SELECT number, file_id, start_line, kind, language FROM chunks ORDER BY number").fetchall()
    table = np.array(rows, np.int64).reshape(-1, 5)
    held = [columns.numbers, columns.file_ids, columns.start_lines, columns.kinds, columns.languages]
    packed = np.stack(held, axis=1)
    if table.shape != packed.shape or (table != packed).any():
        problems.append(f"chunks: the table holds {len(table)}, the segments {len(packed)}, or their columns differ")
    files = database.execute(
        "SELECT id, path, f.chunks, (SELECT count(*) FROM chunks c WHERE c.number >= f.first_number"
        " AND c.number < f.first_number + f.chunks AND c.file_id = f.id) AS found FROM files f WHERE found != f.chunks"
    )
    problems += [
        f"file {path.decode('utf-8', 'replace')}: {found} chunks, want {want}" for _, path, want, found in files
    ]
    total = database.execute("SELECT coalesce(sum(chunks), 0) FROM files").fetchone()[0]
    if total != len(table):
        problems.append(f"files: they count {total} chunks, the table holds {len(table)}")
    return problems


def _check_postings(database: Database) -> list[str]:
    """Offsets ascend and lie in their segment, and each chunk with terms is found by one."""
    problems = []
    known = set()
    for segment, columns, live, _ in _segments(database):
        known.add(segment)
        covered = np.zeros(len(columns), bool)
        for term, data in database.execute("SELECT term, data FROM postings WHERE segment = ?", (segment,)):
            offsets = np.frombuffer(data[: len(data) // 4 * 4], "<u4") >> 16
            ascending = len(offsets) and (np.diff(offsets.astype(np.int64)) > 0).all()
            if len(data) % 4 or not ascending or offsets[-1] >= len(columns):
                problems.append(f"segment {segment}: the postings of {term!r} are damaged")
            else:
                covered[offsets] = True
        bare = int(np.count_nonzero(live & ~covered & (columns.lengths > 0)))
        if bare:
            problems.append(f"segment {segment}: {bare} chunks have no postings")
    orphans = {segment for (segment,) in database.execute("SELECT DISTINCT segment FROM postings")} - known
    return problems + [f"postings of the segments {sorted(orphans)}, which are not there"] * bool(orphans)


def _check_generation(database: Database, folder: Path, encoder_name: str) -> list[str]:
    """The vector store is whole, and the dense generation names the rows of its chunks."""
    path = vectors_path(encoder_name)
    number = catalogue.get_meta(database, generation_key(encoder_name))
    if number is None:
        return []
    if not path.exists():
        return [f"the vectors {path} are missing"]
    target = generation_dir(folder, encoder_name, number)
    try:
        with VectorStore(path, read_only=True) as store:
            damaged = len(find_damaged_rows(store.records()))
            problems = [f"{path}: {damaged} vectors are damaged"] * bool(damaged)
            generation = open_generation(target)
            problems += verify_checksums(target)
            if problems:
                return problems
            if generation.store != store.identity:
                return []  # rows have moved since: it is not used, and derived again by the next build
            if generation.graph_count:
                load_graph(target, generation.graph_count, generation.dimension)
            numbers, keys = _numbers_and_keys(database)
            rows = generation.rows_of(numbers)
            if (rows >= len(store)).any() or (store.rows_of(keys[rows >= 0]) != rows[rows >= 0]).any():
                return [f"{target}: rows differ from the store's"]
    except (CodeseekError, OSError, ValueError) as error:
        return [str(error)]
    return []


def _numbers_and_keys(database: Database) -> tuple[np.ndarray, np.ndarray]:
    """Of the live chunks, [N] uint32 ascending and [N] of `KEY_DTYPE`."""
    numbers, keys = [np.empty(0, np.uint32)], [np.empty(0, KEY_DTYPE)]
    for segment, columns, live, _ in _segments(database):
        data = database.execute("SELECT keys FROM segments WHERE id = ?", (segment,)).fetchone()[0]
        numbers.append(columns.numbers[live])
        keys.append(np.frombuffer(data, KEY_DTYPE)[live])
    return np.concatenate(numbers), np.concatenate(keys)
