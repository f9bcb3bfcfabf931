import os
import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes.hazards import other_cache
from fakes.small_repository import (
    CHILD,
    NAME,
    WORDS,
    answers,
    child,
    function,
    many_files,
    scratch_answers,
    write_repository,
)
from fakes.word_encoder import WordEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import codeseek.fill
import codeseek.prepare
import codeseek.update
from codeseek.build import build_index
from codeseek.errors import IndexLocked
from codeseek.fill import FILL_LOCK
from codeseek.paths import CATALOGUE_NAME, index_dir, vectors_path
from codeseek.stores import segments
from codeseek.stores.locks import lock_holder, writer_lock
from codeseek.stores.snapshot import open_index
from codeseek.stores.sqlite import remove_database
from codeseek.types import Filters, Kind, SkipReason
from codeseek.verify import verify_index
from codeseek.words import query_terms


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_repository(tmp_path / "repository")


# --------------------------------------------------------------------------------------------------------- what it does


def test_builds_what_it_says(root: Path) -> None:
    encoder = WordEncoder()
    (root / "empty.py").write_bytes(b"")
    stages: list[str] = []
    report = build_index(root, encoder, progress=lambda stage, done, total: stages.append(stage))
    assert (report.files, report.updated_files, report.removed_files) == (3, 3, 0)
    assert report.languages["python"] == 2
    assert report.chunks == report.vectors == report.encoded == len(encoder.encoded) == 5
    assert [(skipped.path, skipped.reason) for skipped in report.skipped] == [("empty.py", SkipReason.EMPTY)]
    assert list(dict.fromkeys(stages)) == ["walk", "chunk", "encode", "graph"]
    assert report.size_bytes > 0
    assert verify_index(root, NAME) == []
    with open_index(root, NAME) as index:
        chunk = index.chunks(index.numbers[:1])[0]
        assert index.chunks_of("src/http.py")[0].name == "parse_header"
        assert index.path_of(0) == chunk.path
        assert index.freshness.coverage == 1.0
    (root / "short.py").write_text("class Name:\n    def first(self): return 1\n    def last(self): return 2\n")
    build_index(root, encoder)
    with open_index(root, NAME) as index:
        (found,) = index.chunks_of("short.py")
        assert found.members == ("first", "last")


def test_finds_by_words_and_by_vector(root: Path) -> None:
    build_index(root, WordEncoder())
    lexical, dense = answers(root)[0], answers(root)[1]
    assert lexical[0][2] == dense[0][2] == "parse_header"


def test_an_unchanged_root_encodes_reads_and_writes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codeseek.update, "RACY_NS", -(10**18))
    build_index(root, WordEncoder())
    before = (index_dir(root) / CATALOGUE_NAME).read_bytes()
    monkeypatch.setattr(codeseek.prepare, "read_file", lambda *_, **__: pytest.fail("a file was read"))
    report = build_index(root, lambda: pytest.fail("the encoder was made"), encoder_name=NAME)
    assert (report.updated_files, report.encoded) == (0, 0)
    assert (index_dir(root) / CATALOGUE_NAME).read_bytes() == before


def test_a_young_file_is_hashed_again(root: Path) -> None:
    """An edit of the same length within the clock's resolution leaves the times alike."""
    build_index(root, WordEncoder())
    path = root / "src/http.py"
    status = path.stat()
    path.write_text(path.read_text().replace("parse_header", "parse_footer"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    report = build_index(root, WordEncoder())
    assert report.updated_files == 1
    assert "parse_footer" in {hit[2] for hit in answers(root)[0]}


def test_an_edit_that_keeps_size_and_mtime_is_seen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codeseek.update, "RACY_NS", -(10**18))
    path = root / "src/http.py"
    build_index(root, WordEncoder())
    status = path.stat()
    time.sleep(0.02)
    path.write_text(path.read_text().replace("parse_header", "parse_footer"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert build_index(root, WordEncoder()).updated_files == 1


def test_a_file_from_before_1677_is_indexed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disks that know no times give 1601; in nanoseconds that does not fit into 64 bits."""
    walk = codeseek.update.walk

    def old(*arguments: object, **options: object) -> Iterator[object]:
        for found in walk(*arguments, **options):  # type: ignore[arg-type]
            yield replace(found, modified_ns=-(1 << 63) - 1, changed_ns=0) if hasattr(found, "modified_ns") else found

    monkeypatch.setattr("codeseek.update.walk", old)
    first = build_index(root, WordEncoder())
    assert first.files > 0
    assert build_index(root, WordEncoder()).updated_files == 0  # read again each time, and the same by its hash


def test_what_the_encoder_reads_is_kept(root: Path) -> None:
    """A file may be cut otherwise the next time, as by another version of its grammar: its keys would be others."""

    class Remembers(WordEncoder):
        texts: tuple[str, ...] = ()

        def encode_documents(self, documents: Sequence[str]) -> np.ndarray:
            self.texts += tuple(documents)
            return super().encode_documents(documents)

    at_once, later = Remembers(), Remembers()
    build_index(root, at_once)
    remove_database(vectors_path(at_once.name))
    for file in sorted(root.rglob("*")):
        if file.is_file():
            os.utime(file, (1, 1))  # the catalogue alone knows what was in it
    build_index(root, None, vectors=False)
    for file in sorted(root.rglob("*")):
        if file.is_file():
            file.unlink()
    with open_index(root, later.name) as index:
        codeseek.fill.encode_some(index, np.arange(len(index)), later)
    assert sorted(later.texts) == sorted(at_once.texts)


def test_moves_and_second_worktrees_cost_no_encoding(root: Path, tmp_path: Path) -> None:
    build_index(root, WordEncoder())
    (root / "lib").mkdir()
    (root / "src/http.py").rename(root / "lib/web.py")
    report = build_index(root, WordEncoder())
    assert (report.encoded, report.updated_files, report.removed_files) == (0, 1, 1)
    shutil.copytree(root, tmp_path / "worktree")
    report = build_index(tmp_path / "worktree", lambda: pytest.fail("the encoder was made"), encoder_name=NAME)
    assert (report.encoded, report.vectors) == (0, report.chunks)


def test_a_file_that_is_left_out_later_leaves_the_index(root: Path) -> None:
    build_index(root, WordEncoder())
    (root / "src/http.py").write_bytes(b"\0binary")
    (root / ".gitignore").write_text("files.py\n")
    report = build_index(root, WordEncoder())
    assert report.removed_files == 2
    assert {hit[0] for hit in answers(root)[0]} <= {"README.md", ".gitignore"}
    assert answers(root) == scratch_answers(root, root.parent / "scratch")


def test_duplicates_all_come_back(root: Path) -> None:
    for name in ("one", "two", "three"):
        (root / f"{name}.py").write_text(function("count_copies"))
    report = build_index(root, WordEncoder())
    assert report.encoded == report.chunks - 2
    with open_index(root, NAME) as index:
        positions, scores = index.dense.search(WordEncoder().encode_queries([function("count_copies")])[0], 3)
        assert [index.path_of(position) for position in positions] == ["one.py", "three.py", "two.py"]
        assert len(set(scores)) == 1


def test_without_vectors_first_and_with_them_later(root: Path) -> None:
    assert build_index(root, None, vectors=False).vectors == 0
    with open_index(root, NAME) as index:
        assert index.freshness.coverage == 0.0
        assert len(index.dense.search(np.ones(32, np.float32), 5)[0]) == 0
    report = build_index(root, WordEncoder())
    assert report.encoded == report.vectors == report.chunks
    assert answers(root) == scratch_answers(root, root.parent / "scratch")


def test_two_encoders_do_not_meet(root: Path) -> None:
    build_index(root, WordEncoder())
    other = WordEncoder("other", dimension=16)
    assert build_index(root, other).encoded == 5
    with open_index(root, "other") as index:
        assert index.dense.vector(0).shape == (16,)
    with open_index(root, NAME) as index:
        assert index.dense.vector(0).shape == (32,)


def test_filters_act_inside_retrieval(root: Path) -> None:
    build_index(root, WordEncoder())
    query = WordEncoder().encode_queries(["parse the header"])[0]
    cases = {
        Filters(languages=frozenset({"markdown"})): None,
        Filters(globs=("!src/http.py",)): {"README.md", "src/files.py"},
        Filters(paths=("src/",)): {"src/http.py", "src/files.py"},
        Filters(paths=("./README.md",)): {"README.md"},
        Filters(kinds=frozenset({Kind.FUNCTION})): {"src/http.py", "src/files.py"},
        Filters(paths=("nowhere",)): set(),
    }
    with open_index(root, NAME) as index:
        assert index.allowed(Filters()) is None
        for filters, expected in cases.items():
            if expected is None:
                continue
            allowed = index.allowed(filters)
            dense = index.dense.search(query, 10, allowed)[0]
            lexical = index.lexical.search(query_terms("header token docs"), 10, allowed)[0]
            assert {index.path_of(position) for position in dense} == expected
            assert {index.path_of(position) for position in lexical} == expected


# ------------------------------------------------------------------------------------------- incremental equals scratch

EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "append", "delete", "move", "copy"]),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 10_000),
    ),
    min_size=1,
    max_size=12,
)


def apply_edit(root: Path, action: str, at: int, other: int, seed: int) -> None:
    path, target = root / f"d{at % 2}/f{at}.py", root / f"d{other % 2}/f{other}.py"
    for folder in (path.parent, target.parent):
        folder.mkdir(exist_ok=True)
    random_ = random.Random(seed)
    text = "\n\n".join(function("_".join(random_.choices(WORDS, k=2))) for _ in range(random_.randrange(1, 4)))
    if action == "write":
        path.write_text(text)
    elif action == "append" and path.exists():
        path.write_text(path.read_text() + "\n\n" + text)
    elif action == "delete":
        path.unlink(missing_ok=True)
    elif action == "move" and path.exists():
        path.rename(target)
    elif action == "copy" and path.exists():
        target.write_text(path.read_text())


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, seed=st.integers(0, 100), exact=st.booleans())
def test_incremental_equals_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edits: list[tuple], seed: int, exact: bool
) -> None:
    monkeypatch.setattr(segments, "MERGE_RUN", 3)
    monkeypatch.setattr(codeseek.fill, "PENDING_MAX_ROWS", 3)
    monkeypatch.setattr(codeseek.fill, "EXACT_MAX_ROWS", 10_000 if exact else 2)
    root = tmp_path / "edited"
    for folder in (root, tmp_path / "incremental"):
        shutil.rmtree(folder, ignore_errors=True)
    root.mkdir()
    apply_edit(root, "write", 0, 0, seed)
    random_ = random.Random(seed)
    with other_cache(tmp_path / "incremental"):
        build_index(root, WordEncoder())
        for edit in edits:
            apply_edit(root, *edit)
            if random_.random() < 0.7:
                build_index(root, WordEncoder())
        build_index(root, WordEncoder())
        assert verify_index(root, NAME) == []
        incremental = answers(root)
    assert incremental == scratch_answers(root, tmp_path / "scratch")


def test_a_deleted_chunk_never_returns(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MERGE_RUN", 2)
    for round_ in range(6):
        (root / "src/new.py").write_text(function(f"version_{round_}"))
        build_index(root, WordEncoder())
        names = {hit[2] for found in answers(root)[:-1] for hit in found}
        assert not names & {f"version_{before}" for before in range(round_)}


def test_rebuild_reads_everything_again_and_answers_the_same(root: Path) -> None:
    build_index(root, WordEncoder())
    before = answers(root)
    report = build_index(root, WordEncoder(), rebuild=True)
    assert (report.updated_files, report.encoded) == (3, 0)
    assert answers(root) == before
    assert verify_index(root, NAME) == []


# ----------------------------------------------------------------------------------------- readers, writers and killing


def test_a_reader_keeps_its_state_through_builds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codeseek.fill, "PENDING_MAX_ROWS", 0)
    build_index(root, WordEncoder())
    query = WordEncoder().encode_queries(["parse the header"])[0]
    with open_index(root, NAME) as index:
        first = index.dense.search(query, 3)[0]
        for round_ in range(4):
            (root / "src/http.py").write_text(function(f"other_{round_}"))
            build_index(root, WordEncoder())
        assert index.chunks(index.numbers[first])[0].name == "parse_header"
        assert index.lexical.search(["header"], 5)[0].tolist() == first[:1].tolist()
        assert np.array_equal(index.dense.search(query, 3)[0], first)
    assert "parse_header" not in {hit[2] for hit in answers(root)[0]}


def test_one_writer_at_a_time(root: Path) -> None:
    build_index(root, WordEncoder())
    lock = index_dir(root) / "lock"
    with writer_lock(lock):
        assert lock_holder(lock) == os.getpid()
        with pytest.raises(IndexLocked, match=str(os.getpid())) as caught:
            build_index(root, WordEncoder())
        assert caught.value.hint
        answers(root)  # readers do not care
    assert lock_holder(lock) is None
    build_index(root, WordEncoder())


def test_waits_for_the_process_that_fills_in_vectors(root: Path) -> None:
    build_index(root, None, vectors=False)
    seen: list[tuple[int, int]] = []
    with ExitStack() as other:
        other.enter_context(writer_lock(index_dir(root) / FILL_LOCK))

        def look(stage: str, done: int, total: int) -> None:
            seen.append((done, total))
            if stage == "encode":
                other.close()

        report = build_index(root, WordEncoder(), progress=look)
    assert (0, 5) in seen
    assert report.vectors == report.chunks == report.encoded


def test_says_what_another_process_encoded(root: Path) -> None:
    build_index(root, None, vectors=False)
    with ExitStack() as other:
        other.enter_context(writer_lock(index_dir(root) / FILL_LOCK))

        def let_go(stage: str, done: int, total: int) -> None:
            if stage == "encode":
                other.close()
                build_index(root, WordEncoder())

        report = build_index(root, WordEncoder(), progress=let_go)
    assert report.encoded == 0
    assert report.notes == ("another process gave 5 chunks their vectors meanwhile",)


def test_a_generation_of_a_catalogue_made_anew_is_not_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its numbers begin again, so the generation would give chunks the vectors of others."""
    build_index(root, None, vectors=False)
    write = codeseek.fill._write_generation

    def meanwhile(*arguments: object) -> int | None:
        generation = write(*arguments)
        remove_database(index_dir(root) / CATALOGUE_NAME)
        (root / "src/aaa.py").write_text(function("aaa_first"))
        build_index(root, None, vectors=False)
        monkeypatch.setattr(codeseek.fill, "_write_generation", write)
        return generation

    monkeypatch.setattr(codeseek.fill, "_write_generation", meanwhile)
    build_index(root, WordEncoder())
    assert verify_index(root, NAME) == []
    build_index(root, WordEncoder())
    assert answers(root) == scratch_answers(root, index_dir(root).parent / "other")


def test_killed_from_outside(root: Path, tmp_path: Path) -> None:
    many_files(root, 80)
    process = child(CHILD + "build_index(Path(sys.argv[1]), WordEncoder())", str(root))
    deadline = time.monotonic() + 30
    while not list(index_dir(root).parent.parent.glob("vectors/*-wal")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert verify_index(root, NAME) == []
    build_index(root, WordEncoder())
    assert answers(root) == scratch_answers(root, tmp_path / "scratch")


def test_two_builds_at_once(root: Path, tmp_path: Path) -> None:
    many_files(root)
    script = CHILD + "build_index(Path(sys.argv[1]), WordEncoder(), wait_s=60)"
    processes = [child(script, str(root)) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert verify_index(root, NAME) == []
    assert answers(root) == scratch_answers(root, tmp_path / "scratch")
