"""Answer queries over one repository: bring its index up to date, retrieve, rerank, read the source of the hits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from codeseek.build import update_index
from codeseek.cascade import DEFAULT_DEPTH, Ranked, rank_pool
from codeseek.chunkers.source import Source
from codeseek.encoders import LazyEncoder
from codeseek.errors import FileError, IndexDamaged, IndexFormat, IndexLocked, IndexMissing, StoreError, UsageError
from codeseek.files import MAX_FILE_BYTES, content_hash, read_inside
from codeseek.fill import encode_some, fill_vectors
from codeseek.rankers import LazyRanker
from codeseek.retrievers.fusion import Blend, find_blend
from codeseek.retrievers.hybrid import HybridRetriever, Pool
from codeseek.retrievers.query import parse_query
from codeseek.stores.snapshot import Index, open_index
from codeseek.types import Answer, Encoder, Filters, Freshness, Hit, Progress, Ranker, StoredChunk
from codeseek.update import BuildLog, Update

# Where the best hit is below this, nothing seems to answer: precision 0.76, recall 0.55 where a third of the
# queries belong to another repository (fit_calibration.py in tests/benchmarks/LOG.md).
GOOD_MATCH_MIN_SCORE = 0.05


# A search that need not wait for all vectors encodes so many contents itself, about half a second of one core...
FILL_AT_ONCE = 48
# ...and of larger gaps the first candidates that the words find, so that the dense signals count where they matter.
TOUCHED = 32
UPDATE_WAIT_S = 2.0  # for another process's commit, before the index is searched as it is


def open_searcher(
    root: Path,
    *,
    encoder: str | None = None,
    ranker: str | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    update: bool = True,
    wait: bool = True,
    max_file_bytes: int | None = None,
) -> Searcher:
    """Opens the index of `root` for queries, building it first or bringing it up to date.

    Args:
        root: As `paths.find_root` gives it.
        encoder: A folder or a hub id; None for the shipped one.
        ranker: The same for the cross-encoder.
        device: auto, cpu, cuda or mps.
        progress: Told how a build goes.
        update: False searches the index as it is.
        wait: False opens it as soon as it answers by words. Where more than a few vectors are missing then, each
            query encodes what it touches; `Searcher.freshness.coverage` says how much there is.
        max_file_bytes: The limit for files of an index for which `build_index` was given none.

    Raises:
        IndexMissing: If there is no index and `update` is False.
        IndexLocked: If another process updates it, and `wait` is set or there is nothing yet to answer from.
        CodeseekError: Whatever a build or a model can raise.
    """
    model, reranker = LazyEncoder(encoder, device), LazyRanker(ranker, device)
    progress = progress or (lambda stage, done, total: None)
    built, lag, changes, log = False, "", Update(), BuildLog()
    if update:
        built = not _can_open(root, model.name)
        try:
            changes = update_index(
                root,
                log,
                progress=progress,
                default_max_file_bytes=max_file_bytes or MAX_FILE_BYTES,
                wait_s=UPDATE_WAIT_S,
            )
        except (IndexLocked, FileError) as error:
            if (wait and isinstance(error, IndexLocked)) or not _has_chunks(root, model.name):
                raise
            lag = str(error)
        if not lag and (wait or _missing(root, model.name) <= FILL_AT_ONCE):
            try:
                fill_vectors(root, model, model.name, progress=progress, log=log, follow=wait)
            except (StoreError, FileError):
                if wait:
                    raise  # else words answer, as they do while vectors are missing for any other reason
    blend = find_blend(model.folder)
    return Searcher(
        open_index(root, model.name),
        model,
        reranker,
        blend,
        built=built,
        lag=lag,
        notes=tuple(log.notes),
        changes=(changes.updated_files, changes.removed_files),
        touch=update and not wait and not lag,
    )


def _can_open(root: Path, encoder_name: str) -> bool:
    try:
        open_index(root, encoder_name).close()
    except (IndexMissing, IndexFormat, IndexDamaged):
        return False
    return True


def _has_chunks(root: Path, encoder_name: str) -> bool:
    """Whether there is anything to answer from: a first build begins with an empty index."""
    if not _can_open(root, encoder_name):
        return False
    with open_index(root, encoder_name) as index:
        return len(index) > 0


def _missing(root: Path, encoder_name: str) -> int:
    """How many chunks have no vector."""
    with open_index(root, encoder_name) as index:
        return len(index) - index.dense.vectors


class Searcher:
    """Answers queries over one state of one index. A context manager; models are loaded when first needed.

    Args:
        index: Closed with the searcher.
        encoder: The dual-encoder whose vectors the index was opened for.
        ranker: The cross-encoder, or None.
        blend: The weights of the signals.
        built: Whether the index was made just now.
        lag: Why the index could not be brought up to date; "" where it was.
        notes: What the update met with, as `BuildLog.notes`.
        changes: How many files were updated and removed just now.
        touch: Whether a query encodes those of its first candidates that have no vector.
    """

    def __init__(
        self,
        index: Index,
        encoder: Encoder,
        ranker: Ranker | None,
        blend: Blend,
        *,
        built: bool = False,
        lag: str = "",
        notes: tuple[str, ...] = (),
        changes: tuple[int, int] = (0, 0),
        touch: bool = False,
    ) -> None:
        self.index = index
        self.root = index.root
        self.built = built
        self.lag = lag
        self.notes = notes
        known = index.freshness
        self.freshness = Freshness(known.files, known.chunks, changes[0], changes[1], known.vectors)
        self.encoder = encoder
        self.ranker = ranker
        self.blend = blend
        self._touches = touch
        self._retriever = HybridRetriever(index, blend)

    def __enter__(self) -> Searcher:
        return self

    def __exit__(self, *exception: object) -> None:
        self.index.close()

    def retrieve(self, query: str, filters: Filters = Filters()) -> Pool:
        """The first stage's pool, best first."""
        parsed = parse_query(query)
        allowed = self.index.allowed(filters)
        if self._touches and self.freshness.coverage < 1:
            self._touch(self._retriever.retrieve(parsed, None, allowed).positions[:TOUCHED])
        vector = self.encoder.encode_queries([parsed.text])[0] if self.freshness.vectors else None
        return self._retriever.retrieve(parsed, vector, allowed)

    def _touch(self, positions: np.ndarray) -> None:
        """Gives vectors to those of some documents that have none; a cache that cannot be written stays as it is."""
        without = positions[~self.index.dense.has_vector[positions]]
        if not len(without):
            return
        try:
            encode_some(self.index, without, self.encoder)
        except (StoreError, FileError):
            return
        self.index.forget_dense()
        self.freshness = replace(self.freshness, vectors=self.index.dense.vectors)

    def search(
        self,
        query: str,
        *,
        query_id: str = "1",
        limit: int = 10,
        filters: Filters = Filters(),
        rerank: bool = True,
        depth: int | None = None,
        budget_ms: int | None = None,
    ) -> Answer:
        """Answers one query.

        Args:
            query: Words or a symbol.
            query_id: Comes back in the answer.
            limit: How many hits at most; the first k do not depend on it.
            filters: What the search is confined to.
            rerank: Whether the ranker reads the first candidates.
            depth: How many it reads; None for `DEFAULT_DEPTH`.
            budget_ms: How long it may read.

        Raises:
            UsageError: If the query is blank.
        """
        if not query.strip():
            raise UsageError("the query is empty", hint='codeseek search "how are failed requests retried"')
        started = time.perf_counter()
        pool = self.retrieve(query, filters)
        retrieved = time.perf_counter()
        ranker = self.ranker if rerank else None
        ranked = rank_pool(pool, self.blend, ranker, depth=depth or DEFAULT_DEPTH, budget_ms=budget_ms)
        reranked = time.perf_counter()
        hits = self._hits(pool, ranked, limit)
        ended = time.perf_counter()
        timings_ms = {
            "retrieve": 1000 * (retrieved - started),
            "rerank": 1000 * (reranked - retrieved),
            "read": 1000 * (ended - reranked),
            "total": 1000 * (ended - started),
        }
        # Without vectors every score is too low to tell.
        no_good_match = bool(hits and self.freshness.vectors) and hits[0].score < GOOD_MATCH_MIN_SCORE
        return Answer(query_id, query, hits, timings_ms, self._searched(filters), no_good_match)

    def similar(self, path: str, line: int, *, limit: int = 10, filters: Filters = Filters()) -> Answer:
        """The chunks most like the one at a place, by cosine of their vectors; no other parts of its definition.

        Args:
            path: Relative to the root.
            line: 1-based.

        Raises:
            UsageError: If no indexed chunk holds that line.
        """
        started = time.perf_counter()
        chunks = self.index.chunks_of(path)
        origin = next((chunk for chunk in chunks if chunk.span.start_line <= line <= chunk.span.end_line), None)
        if origin is None:
            known = f"its chunks end at line {chunks[-1].span.end_line}" if chunks else "that file is not in the index"
            raise UsageError(
                f"nothing is indexed at {path}:{line}: {known}",
                hint="" if chunks else f"see what was left out: codeseek index --verbose {self.root}",
            )
        parts = [
            chunk.number
            for chunk in chunks
            if chunk.name and chunk.definition == origin.definition and chunk.part != origin.part
        ]
        own = self.index.positions([origin.number, *parts]).tolist()
        vector = self.index.dense.vector(own[0])
        if vector is None:
            raise UsageError(f"{path}:{line} has no vector yet", hint=f"codeseek index {self.root}")
        found, cosines = self.index.dense.search(vector, limit + len(own), self.index.allowed(filters))
        kept = [(int(at), float(score)) for at, score in zip(found, cosines, strict=True) if at not in own][:limit]
        stored = self.index.chunks(self.index.numbers[[at for at, _ in kept]]) if kept else []
        texts = self._read_texts(stored)
        hits = tuple(
            _hit(rank, chunk, max(0.0, score), ("dense",), {"cosine": score}, text)
            for rank, (chunk, (_, score), text) in enumerate(zip(stored, kept, texts, strict=True), 1)
        )
        elapsed = 1000 * (time.perf_counter() - started)
        return Answer("1", f"{path}:{line}", hits, {"total": elapsed}, self._searched(filters))

    def _hits(self, pool: Pool, ranked: Ranked, limit: int) -> tuple[Hit, ...]:
        rows = ranked.rows[:limit]
        component = self.blend.component_probability(pool.query)
        chunks = [pool.chunks[row] for row in rows]
        hits = []
        for place, (row, chunk, text) in enumerate(zip(rows, chunks, self._read_texts(chunks), strict=True)):
            candidate = pool.candidate(row)
            stages = dict(candidate.stages) | {"component": component, "first_stage": candidate.score}
            found_by = candidate.found_by
            if not np.isnan(ranked.logits[row]):
                stages["ranker"] = float(ranked.logits[row])
                found_by = (*found_by, "ranker")
            stages["final"] = float(ranked.scores[place])
            hits.append(_hit(place + 1, chunk, float(ranked.probabilities[place]), found_by, stages, text))
        return tuple(hits)

    def _read_texts(self, chunks: Sequence[StoredChunk]) -> list[str]:
        """The source of each chunk; "" where its file is gone, or no longer the one that was indexed."""
        sources = {path: self._read_source(path) for path in dict.fromkeys(chunk.path for chunk in chunks)}
        return [
            source.text(chunk.bytes.start, chunk.bytes.end).removeprefix("\ufeff") if source else ""
            for chunk in chunks
            for source in (sources[chunk.path],)
        ]

    def _read_source(self, path: str) -> Source | None:
        record = self.index.file(path)
        if record is None:
            return None
        try:
            data = read_inside(self.root, path, max_bytes=record.size_bytes + 1)
        except OSError:
            return None
        return Source.read(data) if content_hash(data) == record.content_hash else None

    def _searched(self, filters: Filters) -> int:
        allowed = self.index.allowed(filters)
        return len(self.index) if allowed is None else int(np.count_nonzero(allowed))


def _hit(
    rank: int,
    chunk: StoredChunk,
    score: float,
    found_by: tuple[str, ...],
    stages: dict[str, float],
    text: str,
) -> Hit:
    return Hit(
        rank=rank,
        path=chunk.path,
        span=chunk.span,
        language=chunk.language,
        kind=chunk.kind,
        name=chunk.qualified_name,
        score=score,
        found_by=found_by,
        stages=stages,
        text=text,
    )
