"""Build or update an index: walk, chunk and commit here, encode and derive the dense generation in `fill.py`.

Work is committed in batches, so that whatever ends a build early, the index is a correct one of the files committed so
far and the next build goes on from there. Vectors are stored as they are made. One process changes the catalogue, one
fills in vectors, any number search.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from codeseek.errors import IndexDamaged, IndexFormat, UsageError
from codeseek.files import MAX_FILE_BYTES
from codeseek.fill import fill_vectors
from codeseek.memory import DEFAULT_MEMORY_BYTES
from codeseek.paths import CATALOGUE_NAME, index_dir, make_private_dir, resolve_root
from codeseek.prepare import process_count
from codeseek.stores import catalogue
from codeseek.stores.locks import writer_lock
from codeseek.stores.snapshot import open_index
from codeseek.stores.sqlite import Database, remove_database, translated
from codeseek.types import BuildReport, Encoder, Progress
from codeseek.update import BuildLog, Update, update_catalogue

__all__ = ["build_index", "folder_bytes", "update_index"]


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
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    processes: int | None = None,
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
        wait_s: How long to wait while another process changes the catalogue. For one that fills in vectors it always
            waits, and then does what that one left.
        memory_bytes: What the build plans with; `memory.limit_memory` also enforces it.
        processes: At most so many read and cut files; None for as many as CPUs and memory allow.

    Raises:
        UsageError: If `root` is no folder.
        IndexLocked: If another process changes the catalogue still after `wait_s`.
        IndexFormat: If a newer version wrote it; an older format and a damaged index are built again.
        FileError: If the root cannot be read, or the index not be written.
    """
    root = resolve_root(root)
    name = encoder_name or getattr(encoder, "name", None)
    if vectors and (encoder is None or name is None):
        raise UsageError("cannot encode without an encoder and its name", hint="give both, or vectors=False")
    progress = progress or (lambda stage, done, total: None)
    log = BuildLog()
    update = update_index(
        root,
        log,
        rebuild=rebuild,
        progress=progress,
        max_file_bytes=max_file_bytes,
        default_max_file_bytes=default_max_file_bytes,
        ignore=ignore,
        wait_s=wait_s,
        memory_bytes=memory_bytes,
        processes=processes,
    )
    encoded = 0
    if vectors and name is not None and encoder is not None:
        encoded = fill_vectors(
            root,
            encoder,
            name,
            progress=progress,
            log=log,
            renew=rebuild,
            memory_bytes=memory_bytes,
        )
    return _report(root, name if vectors else None, update, encoded, log)


def update_index(
    root: Path,
    log: BuildLog,
    *,
    rebuild: bool = False,
    progress: Progress,
    max_file_bytes: int | None = None,
    default_max_file_bytes: int = MAX_FILE_BYTES,
    ignore: Sequence[str] = (),
    wait_s: float = 0.0,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    processes: int | None = None,
) -> Update:
    """The catalogue's half of a build: after it the index answers by words.

    A catalogue that cannot be used is removed and made anew: nothing in it is lost but time.

    Args:
        root: As `paths.resolve_root` gives it.
        log: Where seconds and notes go.

    The other arguments and the errors are those of `build_index`.
    """
    folder = make_private_dir(index_dir(root))
    path = folder / CATALOGUE_NAME

    def run(database: Database) -> Update:
        if rebuild and database.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
            raise IndexDamaged(f"{path} is damaged", hint="in its repository: codeseek index --rebuild")
        return update_catalogue(
            database,
            root,
            rebuild=rebuild,
            progress=progress,
            max_file_bytes=max_file_bytes,
            default_max_file_bytes=default_max_file_bytes,
            ignore=ignore,
            log=log,
            processes=process_count(memory_bytes) if processes is None else processes,
        )

    with writer_lock(folder / "lock", wait_s=wait_s):
        for last in (False, True):
            try:
                database = catalogue.open_for_writing(path, str(root).encode("utf-8", "surrogateescape"))
                try:
                    with translated(path):
                        return run(database)
                finally:
                    database.close()
            except (IndexFormat, IndexDamaged) as error:
                newer = isinstance(error, catalogue.CatalogueFormat) and error.version > catalogue.FORMAT
                if last or (newer and not rebuild):
                    raise
                log.notes.append(f"{error}; it was built again")
            remove_database(path)
    raise AssertionError("the second round returns or raises")


def _report(root: Path, name: str | None, update: Update, encoded: int, log: BuildLog) -> BuildReport:
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
            seconds=log.seconds,
            size_bytes=folder_bytes(index_dir(root)),
            vectors=index.dense.vectors,
            notes=tuple(log.notes),
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
