"""A temporary index of chunks that need not be files: data sets, and a repository with some documentation removed.

It is a catalogue, postings and vectors as `codeseek index` writes them, so that every stage of a search runs on it as
it is. Vectors go through the store that all indexes share: a second run encodes nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from codeseek.chunkers.context import encoder_text, lexical_terms, ranker_text
from codeseek.paths import CATALOGUE_NAME
from codeseek.prepare import content_key
from codeseek.stores import catalogue
from codeseek.stores.segments import SegmentWriter
from codeseek.stores.snapshot import Index
from codeseek.stores.sqlite import Database, transaction, translated
from codeseek.stores.vectors import KEY_DTYPE, open_vectors
from codeseek.types import Chunk, Encoder, Progress

__all__ = ["Corpus", "open_corpus"]

COMMIT_CHUNKS = 16_384  # a segment holds at most 65,536
ENCODE_BATCH = 1_024
PROGRESS_EVERY = 500


@dataclass(slots=True)
class Corpus:
    """An opened index and the id of each document by position. A context manager; the index goes with it."""

    index: Index
    ids: list[str]
    documents: list[str]
    _folder: tempfile.TemporaryDirectory[str]

    def __enter__(self) -> Corpus:
        return self

    def __exit__(self, *exception: object) -> None:
        self.index.close()
        self._folder.cleanup()

    def mask(self, allowed: frozenset[str] | None) -> np.ndarray | None:
        """Which positions hold the documents of `allowed`: [N] bool, None for all."""
        return None if allowed is None else np.fromiter((name in allowed for name in self.ids), bool, len(self.ids))


def open_corpus(
    files: Mapping[str, Sequence[tuple[str, Chunk]]],
    encoder: Encoder | Callable[[], Encoder] | None,
    *,
    pathless: bool = False,
    progress: Progress | None = None,
) -> Corpus:
    """Builds the index of some chunks in a temporary folder and opens it.

    Args:
        files: By path, the ids and chunks of the file, in order.
        encoder: The dual-encoder; None for an index that answers by words alone.
        pathless: Leave the path out of what is searched and read: it is made up.
        progress: Told the stages "chunk" and "encode".
    """
    progress = progress or (lambda stage, done, total: None)
    folder = tempfile.TemporaryDirectory(prefix="codeseek-corpus-", ignore_cleanup_errors=True)
    root = Path(folder.name)
    path = root / CATALOGUE_NAME
    try:
        with translated(path):
            database = catalogue.open_for_writing(path, folder.name.encode())
            try:
                ids, texts, documents = _write(database, files, pathless, progress)
            finally:
                database.close()
        if encoder is not None:
            _encode(encoder, texts, progress)
        name = encoder.name if encoder is not None else None
        database = catalogue.open_for_reading(path, root)
        try:
            with translated(path):
                return Corpus(Index(root, path, database, name), ids, documents, folder)
        except BaseException:
            database.close()
            raise
    except BaseException:
        folder.cleanup()
        raise


def _write(
    database: Database,
    files: Mapping[str, Sequence[tuple[str, Chunk]]],
    pathless: bool,
    progress: Progress,
) -> tuple[list[str], dict[bytes, str], list[str]]:
    """Writes the catalogue; returns ids by position, what the encoder reads by key, what the ranker reads by
    position."""
    ids: list[str] = []
    texts: dict[bytes, str] = {}
    documents: list[str] = []
    segment, file_ids, pending = SegmentWriter(), [], []

    def commit() -> None:
        with transaction(database):
            for path, language, first, count in pending:
                (number,) = database.execute(
                    "INSERT INTO files (path, size_bytes, mtime_ns, ctime_ns, content_hash, language, first_number,"
                    " chunks) VALUES (?, 0, 0, 0, x'', ?, ?, ?) RETURNING id",
                    (catalogue.encode_path(path), catalogue.language_code(database, language), first, count),
                ).fetchone()
                file_ids.extend([number] * count)
            segment.write(database, file_ids)
            catalogue.set_meta(database, "built_s", time.time())

    for done, (path, chunks) in enumerate(files.items()):
        pending.append((path, chunks[0][1].language if chunks else None, len(ids), len(chunks)))
        for identifier, chunk in chunks:
            read = replace(chunk, path="") if pathless else chunk
            text = encoder_text(read)
            key = content_key(text)
            texts[key] = text
            documents.append(ranker_text(read))
            segment.add(chunk, lexical_terms(read), key, documents[-1])
            ids.append(identifier)
        if len(segment) >= COMMIT_CHUNKS:
            commit()
            segment, file_ids, pending = SegmentWriter(), [], []
        if done % PROGRESS_EVERY == 0:
            progress("chunk", done, len(files))
    commit()
    return ids, texts, documents


def _encode(encoder: Encoder, texts: Mapping[bytes, str], progress: Progress) -> None:
    """Encodes what the shared store does not hold yet."""
    with open_vectors(encoder.name) as store:
        keys = list(texts)
        missing = set(np.char.array(store.missing(np.array(keys, KEY_DTYPE))).tolist()) if keys else set()
        # numpy drops trailing zeros of a key, here as there.
        wanted = sorted((key for key in keys if key.rstrip(b"\0") in missing), key=lambda key: (len(texts[key]), key))
        for start in range(0, len(wanted), ENCODE_BATCH):
            batch = wanted[start : start + ENCODE_BATCH]
            store.put_many(batch, encoder.encode_documents([texts[key] for key in batch]))
            progress("encode", min(start + ENCODE_BATCH, len(wanted)), len(wanted))
