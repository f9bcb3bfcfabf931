"""Build or update an index: walk, chunk, commit, encode, and derive the dense generation.

Work is committed in batches, so that whatever ends a build early, the index is a correct one of the files committed so
far and the next build goes on from there. Vectors are stored as they are made. One process builds, any number search.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from codeseek.errors import IndexDamaged, IndexFormat, UsageError
from codeseek.files import MAX_FILE_BYTES
from codeseek.indexes.dense import DenseIndex
from codeseek.indexes.generation import write_generation
from codeseek.paths import CATALOGUE_NAME, index_dir, make_private_dir, resolve_root, vectors_path
from codeseek.stores import catalogue
from codeseek.stores.locks import writer_lock
from codeseek.stores.snapshot import Index, generation_dir, generation_key, open_index
from codeseek.stores.sqlite import Database, transaction, translated
from codeseek.stores.vectors import VectorStore, key_bytes, open_vectors
from codeseek.types import BuildReport, Encoder, Progress
from codeseek.update import Update, chunk_texts, update_catalogue

__all__ = ["build_index"]

ENCODE_BATCH = 1_024  # documents sorted by length together, so that a call pads little
ENCODE_CALL = 128  # documents between two steps of the progress bar, and lost at a kill: under a second
EXACT_MAX_ROWS = 20_000  # below, a pass over all rows is faster than reading the graph (benchmarks/LOG.md)
PENDING_MAX_ROWS = 2_000  # scored exactly beside the generation, in about a millisecond
PENDING_MAX_SHARE = 0.1
DEAD_MAX_SHARE = 0.5
KEPT_GENERATIONS = 2  # a reader may have read the number of the one before, and not yet opened it


@dataclass(slots=True)
class _Timer:
    """Wall seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def build_index(
    root: Path | str,
    encoder: Encoder | Callable[[], Encoder] | None,
    *,
    encoder_name: str | None = None,
    rebuild: bool = False,
    vectors: bool = True,
    progress: Progress | None = None,
    max_file_bytes: int | None = None,
    default_max_file_bytes: int = MAX_FILE_BYTES,
    ignore: Sequence[str] = (),
    wait_s: float = 0.0,
) -> BuildReport:
    """Brings the index of `root` up to date with its files, making it where it is missing.

    Args:
        root: A folder.
        encoder: The dual-encoder, or a function that makes it, called only if something must be encoded; None with
            `vectors=False`.
        encoder_name: The name of the encoder that the function makes.
        rebuild: Read, chunk and commit every file again, and derive the generation again. Vectors stay: they are keyed
            by content.
        vectors: False leaves out encoding, for an index that answers by words alone until the next build.
        progress: Told the stages "walk", "chunk", "encode" and "graph".
        max_file_bytes: Larger files are skipped; remembered, so that the update before a search does as this build did.
        default_max_file_bytes: The limit of an index for which none was ever given.
        ignore: More ignore rules, in the syntax of `.gitignore`.
        wait_s: How long to wait for another build.

    Raises:
        UsageError: If `root` is no folder.
        IndexLocked: If another process builds it still after `wait_s`.
        IndexFormat: If a newer version wrote it; an older format and a damaged index are built again.
        FileError: If the root cannot be read, or the index not be written.
    """
    root = resolve_root(root)
    name = encoder_name or getattr(encoder, "name", None)
    if vectors and (encoder is None or name is None):
        raise UsageError("cannot encode without an encoder and its name", hint="give both, or vectors=False")
    progress = progress or (lambda stage, done, total: None)
    folder = make_private_dir(index_dir(root))
    timer, notes = _Timer(), []
    with writer_lock(folder / "lock", wait_s=wait_s):
        run = partial(
            update_catalogue,
            root=root,
            rebuild=rebuild,
            progress=progress,
            max_file_bytes=max_file_bytes,
            default_max_file_bytes=default_max_file_bytes,
            ignore=ignore,
            timer=timer,
        )
        update = _update(root, folder, rebuild, run, notes)
        encoded = 0
        if vectors and name is not None and encoder is not None:
            encoded = _add_vectors(root, folder, encoder, name, rebuild, update, progress, timer, notes)
        return _report(root, folder, name if vectors else None, update, encoded, timer, notes)


def _update(root: Path, folder: Path, rebuild: bool, run: Callable[[Database], Update], notes: list[str]) -> Update:
    """The catalogue's part. One that cannot be used is removed and made anew: nothing in it is lost but time."""
    path = folder / CATALOGUE_NAME
    for last in (False, True):
        try:
            database = catalogue.open_for_writing(path, str(root).encode("utf-8", "surrogateescape"))
            try:
                with translated(path):
                    if rebuild and database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                        raise IndexDamaged(f"{path} is damaged", hint="codeseek index --rebuild")
                    return run(database)
            finally:
                database.close()
        except IndexFormat as error:
            if last or (_format_of(path) > catalogue.FORMAT and not rebuild):
                raise
            notes.append(f"{error}; it was built again")
        except IndexDamaged as error:
            if last:
                raise
            notes.append(f"{error}; it was built again")
        _remove_catalogue(path)
    raise AssertionError("the second round returns or raises")


def _format_of(path: Path) -> int:
    """`user_version`, from the header of the file (https://www.sqlite.org/fileformat.html, offset 60)."""
    with open(path, "rb") as file:
        return int.from_bytes(file.read(64)[60:64], "big")


def _remove_catalogue(path: Path) -> None:
    """The database last: beside a new one, an old `-wal` would be taken for its own."""
    with translated(path):
        for name in (f"{path.name}-shm", f"{path.name}-wal", path.name):
            path.with_name(name).unlink(missing_ok=True)


# -------------------------------------------------------------------------------------------------------------- vectors


def _add_vectors(
    root: Path,
    folder: Path,
    encoder: Encoder | Callable[[], Encoder],
    name: str,
    rebuild: bool,
    update: Update,
    progress: Progress,
    timer: _Timer,
    notes: list[str],
) -> int:
    with open_index(root, name) as index, timer("encode"):
        if not rebuild and index.dense.has_vector.all() and not _wants_generation(index.dense):
            return 0  # as before most searches: nothing more is opened
        with _open_store(name, notes) as store:
            encoded = _encode_missing(index, index.dense, store, encoder, update, progress)
    generation = None
    with open_index(root, name) as index, _open_store(name, notes) as store, timer("graph"):
        if rebuild or _wants_generation(index.dense):
            progress("graph", 0, 1)
            generation = _write_generation(folder, index, store, name)
            progress("graph", 1, 1)
    if generation is not None:
        _switch_generation(folder, root, name, generation)
    return encoded


def _open_store(name: str, notes: list[str]) -> VectorStore:
    """The vector store; a damaged one is removed, since all of it can be encoded again."""
    try:
        return open_vectors(name)
    except IndexDamaged as error:
        notes.append(f"{error}; its vectors are made again")
        _remove_catalogue(vectors_path(name))
        return open_vectors(name)


def _encode_missing(
    index: Index,
    dense: DenseIndex,
    store: VectorStore,
    encoder: Encoder | Callable[[], Encoder],
    update: Update,
    progress: Progress,
) -> int:
    """Encodes each content that has no vector once. Returns how many were encoded."""
    without = np.flatnonzero(~dense.has_vector)
    if not len(without):
        return 0
    keys, first = np.unique(index.keys(without), return_index=True)
    order = np.argsort(first, kind="stable")
    wanted = dict(zip(key_bytes(keys[order]), without[first[order]].tolist(), strict=True))
    encoded, total = 0, len(wanted)
    ready: Encoder | None = None
    for batch in _text_batches(index, wanted, update):
        if ready is None:
            ready = encoder if hasattr(encoder, "encode_documents") else encoder()  # type: ignore[assignment,operator]
            progress("encode", 0, total)
        batch.sort(key=lambda item: (len(item[1]), item[0]))
        for at in range(0, len(batch), ENCODE_CALL):
            part = batch[at : at + ENCODE_CALL]
            store.put_many([key for key, _ in part], ready.encode_documents([text for _, text in part]))
            encoded += len(part)
            progress("encode", encoded, total)
    return encoded


def _text_batches(index: Index, wanted: dict[bytes, int], update: Update) -> Iterator[list[tuple[bytes, str]]]:
    """(key, text) of the contents wanted, `ENCODE_BATCH` at a time. A text that this build no longer holds, as after an
    interrupted one, is read from its file again."""
    batch: list[tuple[bytes, str]] = []
    from_files: dict[str, set[bytes]] = {}
    for key, position in wanted.items():
        text = update.texts.get(key)
        if text is None:
            from_files.setdefault(index.path_of(position), set()).add(key)
            continue
        batch.append((key, text))
        if len(batch) == ENCODE_BATCH:
            yield batch
            batch = []
    for path, keys in from_files.items():
        texts = chunk_texts(index.root, path)
        batch.extend((key, texts[key]) for key in sorted(keys) if key in texts)
        while len(batch) >= ENCODE_BATCH:
            yield batch[:ENCODE_BATCH]
            batch = batch[ENCODE_BATCH:]
    if batch:
        yield batch


def _wants_generation(dense: DenseIndex) -> bool:
    if not dense.base_rows:
        return dense.vectors > 0
    too_many_pending = dense.pending_rows > max(PENDING_MAX_ROWS, PENDING_MAX_SHARE * dense.base_rows)
    return too_many_pending or dense.dead_base_rows > DEAD_MAX_SHARE * dense.base_rows


def _write_generation(folder: Path, index: Index, store: VectorStore, name: str) -> int | None:
    """Writes the next generation and returns its number; None if nothing has a vector."""
    keys, inverse = np.unique(index.keys(), return_inverse=True)
    present, vectors = store.get_all(keys)
    if not len(vectors):
        return None
    generation = (index.generation_number or 0) + 1
    write_generation(
        generation_dir(folder, name, generation),
        keys=keys[present],
        vectors=vectors,
        numbers=index.numbers,
        rows=np.where(present, np.cumsum(present) - 1, -1).astype(np.int32)[inverse],
        with_graph=len(vectors) > EXACT_MAX_ROWS,
    )
    return generation


def _switch_generation(folder: Path, root: Path, name: str, generation: int) -> None:
    """Makes a written generation the current one, in one commit, and removes those before the last."""
    path = folder / CATALOGUE_NAME
    with translated(path):
        database = catalogue.open_for_writing(path, str(root).encode("utf-8", "surrogateescape"))
        try:
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


# --------------------------------------------------------------------------------------------------------------- report


def _report(
    root: Path, folder: Path, name: str | None, update: Update, encoded: int, timer: _Timer, notes: list[str]
) -> BuildReport:
    with open_index(root, name) as index:
        return BuildReport(
            root=root,
            files=len(index.paths),
            chunks=len(index),
            languages=index.files_by_language(),
            updated_files=update.updated_files,
            removed_files=update.removed_files,
            encoded=encoded,
            skipped=update.skipped,
            seconds=timer.seconds,
            size_bytes=folder_bytes(folder),
            vectors=index.dense.vectors,
            notes=tuple(notes),
        )


def folder_bytes(folder: Path) -> int:
    """The size of all files below, as far as they can be read."""
    total = 0
    for parent, _, names in os.walk(folder):
        for file in names:
            try:
                total += os.lstat(os.path.join(parent, file)).st_size
            except OSError:
                continue  # a reader's -shm may vanish meanwhile
    return total
