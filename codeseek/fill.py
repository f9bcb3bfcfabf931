"""The dense half of a build: encode the contents that have no vector, and derive the generation.

It runs beside searches and beside updates of the catalogue. Vectors are keyed by content, so whoever makes one makes it
for all; a lock of its own keeps two processes from encoding one repository at the same time.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from codeseek.chunkers.context import encoder_part
from codeseek.errors import IndexDamaged, IndexLocked
from codeseek.indexes.dense import DenseIndex
from codeseek.indexes.generation import write_generation
from codeseek.indexes.hnsw import graph_bytes
from codeseek.memory import DEFAULT_MEMORY_BYTES
from codeseek.paths import CATALOGUE_NAME, index_dir, vectors_path
from codeseek.stores import catalogue
from codeseek.stores.locks import writer_lock
from codeseek.stores.snapshot import Index, generation_dir, generation_key, open_index
from codeseek.stores.sqlite import remove_database, transaction, translated
from codeseek.stores.vectors import VectorStore, key_bytes, open_vectors
from codeseek.types import Encoder, Progress
from codeseek.update import BuildLog

__all__ = ["FILL_LOCK", "encode_some", "fill_vectors"]

FILL_LOCK = "vectors.lock"
FOLLOW_S = 1.0  # between two looks at how far another process has come
SWITCH_WAIT_S = 60.0  # for an update of the catalogue to end; it commits every second or two
ENCODE_BATCH = 1_024  # documents sorted by length together, so that a call pads little
ENCODE_CALL = 128  # documents between two steps of the progress bar, and lost at a kill: under a second
ROUND_MAX_ROWS = 20_000  # encoded before the generation is derived again, where it names fewer
EXACT_MAX_ROWS = 1_500_000  # 0.1 µs of one core for each; beyond, the graph is worth its space (benchmarks/LOG.md)
GRAPH_MEMORY_SHARE = 0.5  # of what a build may take; a graph that needs more is left out
PENDING_MAX_ROWS = 2_000  # looked up in the store by key when an index is opened, in about ten milliseconds
PENDING_MAX_SHARE = 0.1
DEAD_MAX_SHARE = 0.5
KEPT_GENERATIONS = 2  # a reader may have read the number of the one before, and not yet opened it


def fill_vectors(
    root: Path,
    encoder: Encoder | Callable[[], Encoder],
    name: str,
    *,
    progress: Progress,
    log: BuildLog,
    renew: bool = False,
    follow: bool = True,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> int:
    """Gives every chunk of the index its vector, and the index its dense generation.

    Contents that an update adds meanwhile are encoded too.

    Args:
        root: As `paths.resolve_root` gives it; its catalogue exists.
        encoder: The dual-encoder, or a function that makes it, called only if something must be encoded.
        name: The encoder's name.
        progress: Told the stages "encode" and "graph".
        log: Where seconds and notes go.
        renew: Derive the generation again, whether it is needed or not.
        follow: Where another process does this work, wait until it has ended, then do what it left; else leave it.
        memory_bytes: What the build may take: a graph that needs too much of it is left out, and search is exact.

    Returns:
        How many contents were encoded here.
    """
    with ExitStack() as stack:
        locked = False
        found: int | None = None  # vectors there were when another process was met at this work
        while True:
            with open_index(root, name) as index, log.timed("encode"):
                missing = np.flatnonzero(~index.dense.has_vector)
                done = not (renew or len(missing) or _wants_generation(index.dense))
                vectors, total = index.dense.vectors, len(index)
            if found is not None and (done or locked) and vectors > found:
                log.notes.append(f"another process gave {vectors - found:,} chunks their vectors meanwhile")
            if done:
                return 0  # as before most searches: nothing more is opened
            if locked:
                break
            locked = _lock(stack, index_dir(root), 0.0 if found is None else FOLLOW_S)
            if locked and found is None:
                break
            if not follow:
                return 0
            found = vectors if found is None else found
            progress("encode", vectors, total)
        run = partial(_fill, root, encoder, name, progress, log, renew, memory_bytes)
        try:
            return run()
        except IndexDamaged as error:
            # The store can be opened, and some of its pages not be read.
            if not str(error).startswith(str(vectors_path(name))):
                raise
            _remove_store(name, error, log.notes)
            return run()


def _fill(
    root: Path,
    encoder: Encoder | Callable[[], Encoder],
    name: str,
    progress: Progress,
    log: BuildLog,
    renew: bool,
    memory_bytes: int,
) -> int:
    """As `fill_vectors`, under its lock."""
    folder = index_dir(root)
    encoded = 0
    if renew:
        with _open_store(name, log.notes) as store:
            store.drop_damaged()
    while True:
        with open_index(root, name) as index, _open_store(name, log.notes) as store, log.timed("encode"):
            done = _encode_missing(index, store, encoder, progress, encoded)
        encoded += done
        with open_index(root, name) as index, log.timed("graph"):
            generation, identity = None, index.identity
            if renew or _wants_generation(index.dense):
                progress("graph", 0, 1)
                with _open_store(name, log.notes) as store:
                    generation = _write_generation(folder, index, store, name, memory_bytes)
                progress("graph", 1, 1)
        if generation is not None:
            try:
                _switch_generation(folder, root, name, generation, identity)
            except IndexLocked as error:
                # All vectors are stored; until the next build derives it again, those beside it are looked up by key.
                log.notes.append(f"{error}; the next build derives what makes the vectors quick to search")
                return encoded
        renew = False
        if not done:
            return encoded


def encode_some(index: Index, positions: np.ndarray, encoder: Encoder) -> int:
    """Encodes the contents of a few documents, so that a search need not wait for the rest.

    Args:
        index: Read only; it sees the new vectors after `Index.forget_dense`.
        positions: [K] of documents without a vector.
        encoder: The one that the index was opened for.

    Returns:
        How many contents were encoded.
    """
    wanted = _contents(index, np.sort(positions))
    encoded = 0
    with open_vectors(encoder.name) as store:
        for batch in _text_batches(index, wanted):
            store.put_many([key for key, _ in batch], encoder.encode_documents([text for _, text in batch]))
            encoded += len(batch)
    return encoded


def _lock(stack: ExitStack, folder: Path, wait_s: float) -> bool:
    """Takes the lock until the stack unwinds; False where another process still has it after `wait_s`."""
    try:
        stack.enter_context(writer_lock(folder / FILL_LOCK, wait_s=wait_s))
    except IndexLocked:
        return False
    return True


def _open_store(name: str, notes: list[str]) -> VectorStore:
    """The vector store; a damaged one is removed, since all of it can be encoded again."""
    try:
        return open_vectors(name)
    except IndexDamaged as error:
        _remove_store(name, error, notes)
        return open_vectors(name)


def _remove_store(name: str, error: IndexDamaged, notes: list[str]) -> None:
    notes.append(f"{error}; its vectors are made again")
    remove_database(vectors_path(name))


def _encode_missing(
    index: Index,
    store: VectorStore,
    encoder: Encoder | Callable[[], Encoder],
    progress: Progress,
    before: int,
) -> int:
    """Encodes each content that has no vector once, at most as many as make a generation worth its while, so that the
    searches of a long build have few rows beside it. Returns how many were encoded; `before` were already."""
    dense = index.dense
    wanted = _contents(index, np.flatnonzero(~dense.has_vector))
    encoded, total = 0, before + len(wanted)
    limit = max(ROUND_MAX_ROWS, dense.base_rows)
    ready: Encoder | None = None
    for batch in _text_batches(index, wanted):
        if ready is None:
            ready = encoder if hasattr(encoder, "encode_documents") else encoder()  # type: ignore[assignment,operator]
            progress("encode", before, total)
        batch.sort(key=lambda item: (len(item[1]), item[0]))
        for at in range(0, len(batch), ENCODE_CALL):
            part = batch[at : at + ENCODE_CALL]
            store.put_many([key for key, _ in part], ready.encode_documents([text for _, text in part]))
            encoded += len(part)
            progress("encode", before + encoded, total)
        if encoded >= limit:
            break
    return encoded


def _contents(index: Index, positions: np.ndarray) -> dict[bytes, int]:
    """The distinct contents of some documents, each with the first position that has it, in that order."""
    if not len(positions):
        return {}
    keys, first = np.unique(index.keys(positions), return_index=True)
    order = np.argsort(first, kind="stable")
    return dict(zip(key_bytes(keys[order]), positions[first[order]].tolist(), strict=True))


def _text_batches(index: Index, wanted: Mapping[bytes, int]) -> Iterator[list[tuple[bytes, str]]]:
    """(key, text) of the contents wanted, `ENCODE_BATCH` at a time, as the catalogue has them."""
    items = list(wanted.items())
    for at in range(0, len(items), ENCODE_BATCH):
        batch = items[at : at + ENCODE_BATCH]
        positions = np.array([position for _, position in batch])
        documents = index.documents(index.numbers[positions])
        kinds, places = index.kinds[positions], index.path_places(positions)
        yield [
            (key, encoder_part(document, index.kind_names[kind], index.paths[place]))
            for (key, _), document, kind, place in zip(batch, documents, kinds, places, strict=True)
        ]


def _wants_generation(dense: DenseIndex) -> bool:
    if not dense.base_rows:
        return dense.vectors > 0
    too_many_pending = dense.pending_rows > max(PENDING_MAX_ROWS, PENDING_MAX_SHARE * dense.base_rows)
    return too_many_pending or dense.dead_base_rows > DEAD_MAX_SHARE * dense.base_rows


def _write_generation(folder: Path, index: Index, store: VectorStore, name: str, memory_bytes: int) -> int | None:
    """Writes the next generation and returns its number; None if nothing has a vector."""
    keys, inverse = np.unique(index.keys(), return_inverse=True)
    with store.unmoved():
        rows, records, identity = store.rows_of(keys), store.records(), store.identity
    count = int(np.count_nonzero(rows >= 0))
    if not count:
        return None
    fits = graph_bytes(count, records["codes"].shape[1]) <= GRAPH_MEMORY_SHARE * memory_bytes
    generation = (index.generation_number or 0) + 1
    write_generation(
        generation_dir(folder, name, generation),
        store=identity,
        records=records,
        numbers=index.numbers,
        rows=rows[inverse],
        with_graph=count > EXACT_MAX_ROWS and fits,
    )
    return generation


def _switch_generation(folder: Path, root: Path, name: str, generation: int, identity: str) -> None:
    """Makes a written generation the current one, in one commit, and removes those before the last.

    A catalogue that was made anew meanwhile numbers its chunks otherwise: what was derived from the old one is not for
    it, and the next round derives again.
    """
    path = folder / CATALOGUE_NAME
    with writer_lock(folder / "lock", wait_s=SWITCH_WAIT_S), translated(path):
        database = catalogue.open_for_writing(path, str(root).encode("utf-8", "surrogateescape"))
        try:
            if catalogue.identity(database) != identity:
                return
            with transaction(database):
                catalogue.set_meta(database, generation_key(name), generation)
        finally:
            database.close()
    _remove_old_generations(generation_dir(folder, name, generation).parent, generation)


def _remove_old_generations(folder: Path, current: int) -> None:
    for path in folder.iterdir():
        number = path.name.partition(".")[0]
        if not number.isdigit() or not current - KEPT_GENERATIONS < int(number) <= current or "." in path.name:
            shutil.rmtree(path, ignore_errors=True)
