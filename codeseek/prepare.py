"""Reads and cuts changed files into what a segment holds of them; in several processes where there is much to do.

The processes run `serve`: they read pickled batches from standard input and write what they made of them to standard
output. `multiprocessing` would start Python with the working folder on its path, and that may be a hostile repository;
these end with their input, also when whoever started them was killed.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from codeseek.chunkers import FileChunks, chunk_file
from codeseek.chunkers.context import encoder_text, lexical_terms, ranker_text
from codeseek.files import content_hash, read_file
from codeseek.stores.segments import SegmentWriter
from codeseek.types import Skipped, SkipReason, SourceFile

__all__ = ["Job", "Prepared", "content_key", "prepare_file", "prepare_files", "process_count", "serve"]

# Below it, starting processes (0.3 s) takes longer than they save: 2 MB are some 4,000 chunks.
MIN_BYTES = 2_000_000
MAX_PROCESSES = 8
MEMORY_PER_PROCESS = 256 << 20
# One batch: some 100 ms of work, and paths that fit into a pipe with those of the batch before it.
BATCH_BYTES, BATCH_FILES, BATCH_PATH_CHARS = 200_000, 32, 4_000
WAITING = 2  # batches that each process has before it


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read, and the content hash with which it needs no chunking."""

    source: SourceFile
    known_hash: bytes | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What one file gives. `segment` is None where its content is the known one."""

    content_hash: bytes
    language: str | None = None
    segment: SegmentWriter | None = None


def content_key(text: str) -> bytes:
    """The key of a vector: the hash of what the encoder reads."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def process_count(memory_bytes: int) -> int:
    """How many processes the CPUs that this one may use, and the memory, allow."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cpus, MAX_PROCESSES, memory_bytes // MEMORY_PER_PROCESS - 1))


def prepare_file(job: Job, max_file_bytes: int) -> Prepared | Skipped:
    """Reads, cuts and tokenises one file."""
    data = read_file(job.source, max_file_bytes=max_file_bytes)
    if isinstance(data, Skipped):
        return data
    digest = content_hash(data)
    if digest == job.known_hash:
        return Prepared(digest)
    chunked = _chunk(job.source.path, data)
    if isinstance(chunked, Skipped):
        return chunked
    segment = SegmentWriter()
    for chunk in chunked.chunks:
        segment.add(chunk, lexical_terms(chunk), content_key(encoder_text(chunk)), ranker_text(chunk))
    return Prepared(digest, chunked.language, segment)


def _chunk(path: str, data: bytes) -> FileChunks | Skipped:
    try:
        return chunk_file(path, data)
    except (RecursionError, MemoryError) as error:  # a bound of the parser that a hostile file may reach
        return Skipped(path, SkipReason.UNREADABLE, f"cannot be parsed: {type(error).__name__}")


def prepare_files(jobs: Sequence[Job], max_file_bytes: int, processes: int) -> Iterator[Prepared | Skipped]:
    """Prepares files, in the order given, whatever does the work. To be closed, so that processes end.

    Args:
        jobs: What to read.
        max_file_bytes: Larger files are skipped.
        processes: At most so many; with 1, or where there is little to do, the work is done here.
    """
    total = sum(min(job.source.size_bytes, max_file_bytes) for job in jobs)
    if processes > 1 and total >= MIN_BYTES:
        yield from _prepare_elsewhere(list(_batches(jobs)), max_file_bytes, processes)
        return
    for job in jobs:
        yield prepare_file(job, max_file_bytes)


def _batches(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    batch: list[Job] = []
    size = chars = 0
    for job in jobs:
        batch.append(job)
        size += job.source.size_bytes
        chars += 2 * len(os.fspath(job.source.absolute))
        if size >= BATCH_BYTES or chars >= BATCH_PATH_CHARS or len(batch) >= BATCH_FILES:
            yield batch
            batch, size, chars = [], 0, 0
    if batch:
        yield batch


def _prepare_elsewhere(
    batches: Sequence[list[Job]], max_file_bytes: int, processes: int
) -> Iterator[Prepared | Skipped]:
    """Batch by batch, the processes taking turns. What one that died leaves behind is done here."""
    workers = [worker for worker in (_start() for _ in range(min(processes, len(batches)))) if worker is not None]
    unsent = deque(range(len(batches)))
    lost: set[int] = set()

    def send(number: int) -> None:
        worker = workers[number % len(workers)]
        try:
            _write(worker.stdin, (batches[number], max_file_bytes))
        except OSError:
            lost.add(number % len(workers))

    try:
        for number, batch in enumerate(batches):
            while workers and unsent and unsent[0] < number + WAITING * len(workers):
                send(unsent.popleft())
            results = None
            if workers and number % len(workers) not in lost:
                results = _read(workers[number % len(workers)].stdout)
                if results is None:
                    lost.add(number % len(workers))
            yield from results or (prepare_file(job, max_file_bytes) for job in batch)
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.communicate()


def _start() -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", "from codeseek.prepare import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for whoever started it
        )
    except OSError:
        return None


def _write(stream: IO[bytes] | None, value: object) -> None:
    assert stream is not None
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    stream.write(len(data).to_bytes(8, "little") + data)
    stream.flush()


def _read(stream: IO[bytes] | None) -> Any:
    """The next value; None where the stream ends before it is whole."""
    assert stream is not None
    head = stream.read(8)
    data = stream.read(int.from_bytes(head, "little")) if len(head) == 8 else b""
    whole = bool(data) and len(data) == int.from_bytes(head, "little")
    return pickle.loads(data) if whole else None  # noqa: S301 - written by our own process


def serve() -> None:
    """Answers batches until standard input ends, or nobody reads the answers."""
    with suppress(BrokenPipeError):
        while (request := _read(sys.stdin.buffer)) is not None:
            jobs, max_file_bytes = request
            _write(sys.stdout.buffer, [prepare_file(job, max_file_bytes) for job in jobs])
