"""The catalogue's half of a build: compare the files with what is known, chunk what changed, commit in batches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from codeseek.errors import FileError
from codeseek.files import walk
from codeseek.prepare import Job, Prepared, prepare_files
from codeseek.stores import catalogue
from codeseek.stores.catalogue import FileRecord, SkipRecord
from codeseek.stores.segments import SegmentWriter, mark_dead, merge_segments
from codeseek.stores.sqlite import Database, transaction
from codeseek.types import Progress, Skipped, SkipReason, SourceFile

__all__ = ["BuildLog", "Update", "compare_files", "update_catalogue"]

COMMIT_CHUNKS = 4_096  # a second or two of work
# A file written within this time before the walk may be written again with the same time: two seconds on FAT, the
# coarsest in use. Such files are hashed again by the next build, as git does with its racy entries.
RACY_NS = 2_000_000_000
PROGRESS_EVERY = 50
MIN_TIME_NS = -(1 << 63)  # in 1677; disks that know no times give 1601


@dataclass(slots=True)
class BuildLog:
    """Wall seconds by stage, and notes on what had to be mended."""

    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


@dataclass(slots=True)
class Update:
    """What one pass over the files did."""

    updated_files: int = 0
    removed_files: int = 0
    skipped: tuple[Skipped, ...] = ()


@dataclass(slots=True)
class _Pending:
    """One file of the commit in the making. `chunks` None: its content is as before and only its times are new."""

    source: SourceFile
    content_hash: bytes
    known: FileRecord | None
    language: str | None = None
    chunks: int | None = None


def update_catalogue(
    database: Database,
    root: Path,
    *,
    rebuild: bool,
    progress: Progress,
    max_file_bytes: int | None,
    default_max_file_bytes: int,
    ignore: Sequence[str],
    log: BuildLog,
    processes: int,
) -> Update:
    """Brings the catalogue up to date with the files under `root`, in as many commits as it takes.

    Args:
        max_file_bytes: Remembered for the next update, which need not say it again.
        default_max_file_bytes: Where neither is given nor remembered.
        log: Where the seconds of the stages go.
        processes: At most so many read and cut files; the index is the same.

    Raises:
        FileError: If the root itself cannot be read; nothing is taken as removed then.
    """
    update = Update()
    if max_file_bytes is not None:
        catalogue.set_file_limit(database, max_file_bytes)
    limit = catalogue.file_limit(database) or default_max_file_bytes
    with log.timed("walk"):
        racy_ns = time.time_ns() - RACY_NS
        known = catalogue.load_files(database)
        known_skips = catalogue.load_skipped(database)
        known_now = ({}, {}) if rebuild else (known, known_skips)
        changed, skips, seen = compare_files(root, *known_now, max_file_bytes=limit, ignore=ignore)
        removed = [record for path, record in known.items() if path not in seen]
        progress("walk", len(seen), len(seen))
    with log.timed("chunk"):
        writer = _Writer(database, update, racy_ns)
        writer.remove(removed)
        records = [known.get(catalogue.encode_path(source.path)) for source in changed]
        jobs = [
            Job(source, record.content_hash if record is not None and not rebuild else None)
            for source, record in zip(changed, records, strict=True)
        ]
        with closing(prepare_files(jobs, limit, processes)) as prepared:
            for done, (source, record, file) in enumerate(zip(changed, records, prepared, strict=True)):
                skipped = writer.add(source, record, file)
                if skipped is not None:
                    skips[catalogue.encode_path(source.path)] = skipped
                if done % PROGRESS_EVERY == 0:
                    progress("chunk", done, len(changed))
        writer.commit()
        progress("chunk", len(changed), len(changed))
        if skips != known_skips:
            with transaction(database):
                catalogue.replace_skipped(database, skips.values())
        update.skipped = tuple(record.skipped for record in skips.values())
    return update


def compare_files(
    root: Path,
    known: Mapping[bytes, FileRecord],
    known_skips: Mapping[bytes, SkipRecord],
    *,
    max_file_bytes: int,
    ignore: Sequence[str] = (),
) -> tuple[list[SourceFile], dict[bytes, SkipRecord], set[bytes]]:
    """Walks `root` and compares sizes and times with what is known.

    Returns:
        The files that have to be read, those left out without reading them, and the paths of all that may be indexed.

    Raises:
        FileError: If the root itself cannot be read.
    """
    changed: list[SourceFile] = []
    skips: dict[bytes, SkipRecord] = {}
    seen: set[bytes] = set()
    for found in walk(root, max_file_bytes=max_file_bytes, ignore=ignore):
        path = catalogue.encode_path(found.path)
        if isinstance(found, Skipped):
            if found.path == ".":
                raise FileError(f"cannot read the folder {root}: {found.detail}", hint="fix its permissions")
            skips[path] = SkipRecord(found)
            continue
        seen.add(path)
        stat = (found.size_bytes, found.modified_ns, found.changed_ns)
        record, skip = known.get(path), known_skips.get(path)
        if skip is not None and stat == (skip.size_bytes, skip.modified_ns, skip.changed_ns):
            skips[path] = skip
            continue
        if record is None or stat != (record.size_bytes, record.modified_ns, record.changed_ns):
            changed.append(found)
    return changed, skips, seen


class _Writer:
    """Collects changed files and commits them when they make a batch."""

    def __init__(self, database: Database, update: Update, racy_ns: int) -> None:
        self._database = database
        self._update = update
        self._racy_ns = racy_ns
        self._segment = SegmentWriter()
        self._pending: list[_Pending] = []
        self._removed: list[FileRecord] = []

    def remove(self, records: Iterable[FileRecord]) -> None:
        """Takes files out with the next commit."""
        before = len(self._removed)
        self._removed.extend(records)
        self._update.removed_files += len(self._removed) - before

    def add(self, source: SourceFile, known: FileRecord | None, prepared: Prepared | Skipped) -> SkipRecord | None:
        """Takes a file in; commits when the batch is full. Returns why it is left out, where it is."""
        if isinstance(prepared, Skipped):
            return self._leave_out(source, known, prepared)
        if prepared.segment is None:
            self._pending.append(_Pending(source, prepared.content_hash, known))
            return None
        self._segment.extend(prepared.segment)
        chunks = len(prepared.segment)
        self._pending.append(_Pending(source, prepared.content_hash, known, prepared.language, chunks))
        self._update.updated_files += 1
        if len(self._segment) >= COMMIT_CHUNKS:
            self.commit()
        return None

    def _leave_out(self, source: SourceFile, known: FileRecord | None, skipped: Skipped) -> SkipRecord:
        if known is not None:
            self.remove([known])
        if skipped.reason in (SkipReason.CHANGED, SkipReason.UNREADABLE):
            return SkipRecord(skipped)  # without times, so that the next build tries again
        return SkipRecord(skipped, source.size_bytes, self._stored_time(source), source.changed_ns)

    def _stored_time(self, source: SourceFile) -> int:
        """-1, so that the file is read again, where it is young, or older than SQLite's numbers reach."""
        young = max(source.modified_ns, source.changed_ns) >= self._racy_ns
        return -1 if young or source.modified_ns < MIN_TIME_NS else source.modified_ns

    def commit(self) -> None:
        """Writes what was collected in one transaction, and merges segments in the same."""
        if not self._pending and not self._removed:
            return
        database = self._database
        with transaction(database):
            replaced = [pending.known for pending in self._pending if pending.known and pending.chunks is not None]
            mark_dead(database, ((record.first_number, record.chunks) for record in [*self._removed, *replaced]))
            database.executemany("DELETE FROM files WHERE id = ?", ((record.id,) for record in self._removed))
            first = catalogue.get_meta(database, "next_number", 0)
            file_ids: list[int] = []
            for pending in self._pending:
                if pending.chunks is None:
                    self._write_times(pending)
                    continue
                file_id = self._write_file(pending, first + len(file_ids))
                file_ids.extend([file_id] * pending.chunks)
            self._segment.write(database, file_ids)
            merge_segments(database)
            catalogue.set_meta(database, "built_s", time.time())
        self._segment, self._pending, self._removed = SegmentWriter(), [], []

    def _write_times(self, pending: _Pending) -> None:
        source = pending.source
        self._database.execute(
            "UPDATE files SET size_bytes = ?, mtime_ns = ?, ctime_ns = ? WHERE path = ?",
            (source.size_bytes, self._stored_time(source), source.changed_ns, catalogue.encode_path(source.path)),
        )

    def _write_file(self, pending: _Pending, first_number: int) -> int:
        source = pending.source
        rows = self._database.execute(
            "INSERT INTO files (path, size_bytes, mtime_ns, ctime_ns, content_hash, language, first_number, chunks)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET size_bytes = excluded.size_bytes,"
            " mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns, content_hash = excluded.content_hash,"
            " language = excluded.language, first_number = excluded.first_number, chunks = excluded.chunks"
            " RETURNING id",
            (
                catalogue.encode_path(source.path),
                source.size_bytes,
                self._stored_time(source),
                source.changed_ns,
                pending.content_hash,
                catalogue.language_code(self._database, pending.language),
                first_number,
                pending.chunks,
            ),
        ).fetchall()
        return rows[0][0]
