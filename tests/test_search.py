import os
from pathlib import Path

import numpy as np
import pytest
from fakes.encoder import LetterEncoder

from codeseek.build import build_index
from codeseek.errors import FileError, IndexLocked, IndexMissing, ModelError, UsageError
from codeseek.fill import FILL_LOCK
from codeseek.paths import index_dir, make_private_dir
from codeseek.retrievers.fusion import Blend
from codeseek.search import Searcher, open_searcher
from codeseek.stores.locks import writer_lock
from codeseek.stores.snapshot import open_index
from codeseek.types import Filters, Kind

WALK = '''"""Walking."""


def walk_tree(root):
    """Visit every folder below the root."""
    for folder in root:
        yield folder


class Visitor:
    """Counts what it sees."""

    def __init__(self):
        self.seen = 0

    def count_folder(self, folder):
        self.seen += 1
        if folder.hidden:
            self.seen -= 1
        return self.seen
'''
SOCKET = """package net

// OpenSocket dials the address and retries twice.
func OpenSocket(address string) error {
	for attempt := 0; attempt < 3; attempt++ {
		dial(address)
	}
	return nil
}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "net").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "walk.py").write_text(WALK)
    (folder / "net" / "socket.go").write_text(SOCKET)
    (folder / "tests" / "test_walk.py").write_text("def test_walk_tree():\n    assert list(walk_tree([1])) == [1]\n")
    return folder


@pytest.fixture
def searcher(root: Path):
    encoder = LetterEncoder()
    build_index(root, encoder, encoder_name=encoder.name)
    with Searcher(open_index(root, encoder.name), encoder, None, Blend()) as opened:
        yield opened


def names(answer):
    return [hit.name for hit in answer.hits]


def test_a_description_finds_the_function(searcher):
    answer = searcher.search("dials an address and retries")
    assert answer.hits[0].name == "OpenSocket"
    assert answer.hits[0].path == "net/socket.go"
    assert answer.hits[0].text.startswith("// OpenSocket dials")
    assert answer.hits[0].rank == 1


def test_a_symbol_finds_its_definition_before_its_test(searcher):
    assert searcher.search("walk_tree").hits[0].name == "walk_tree"
    assert searcher.search("walkTree").hits[0].name == "walk_tree"


def test_a_method_is_named_with_its_class(searcher):
    assert "Visitor.count_folder" in names(searcher.search("count_folder"))


def test_the_first_hits_do_not_depend_on_the_limit(searcher):
    few, many = searcher.search("folder", limit=2), searcher.search("folder", limit=10)
    assert names(few) == names(many)[:2]


def test_answers_repeat_exactly(searcher):
    assert searcher.search("folder").hits == searcher.search("folder").hits


@pytest.mark.parametrize(
    ("filters", "paths"),
    [
        (Filters(languages=frozenset({"go"})), {"net/socket.go"}),
        (Filters(kinds=frozenset({Kind.METHOD})), {"walk.py"}),
        (Filters(globs=("tests/**",)), {"tests/test_walk.py"}),
        (Filters(globs=("!tests/**", "!net/**")), {"walk.py"}),
        (Filters(paths=("net",)), {"net/socket.go"}),
    ],
)
def test_filters_act_before_the_limit(searcher, filters, paths):
    answer = searcher.search("walk tree folder retries", limit=20, filters=filters)
    assert {hit.path for hit in answer.hits} == paths
    assert answer.searched_chunks < len(searcher.index)


def test_an_empty_query_is_an_error(searcher):
    with pytest.raises(UsageError, match="query is empty"):
        searcher.search("  \n")


@pytest.mark.parametrize("query", ["在哪里打开套接字", "🦀🔥", "\x00\x1b[31m", "x" * 100_000, "%s %d \\ ' \" ;"])
def test_odd_queries_answer_without_failing(searcher, query):
    assert len(searcher.search(query).hits) <= 10


def test_similar_leaves_out_the_place_itself(searcher):
    answer = searcher.similar("walk.py", 4)
    assert "walk_tree" not in names(answer)
    assert answer.hits


def test_similar_leaves_out_the_other_parts_of_a_long_definition(root):
    lines = "".join(f"    folder.visit_number_{number}(root)\n" for number in range(150))
    (root / "long.py").write_text(f"def visit_all(folder, root):\n{lines}")
    (root / "alike.py").write_text(f"def visit_some(folder, root):\n{lines[:2000]}")
    encoder = LetterEncoder()
    build_index(root, encoder, encoder_name=encoder.name)
    with Searcher(open_index(root, encoder.name), encoder, None, Blend()) as opened:
        found = names(opened.similar("long.py", 100))
    assert found[0] == "visit_some"
    assert "visit_all" not in found


def test_similar_says_where_nothing_is_indexed(searcher):
    with pytest.raises(UsageError, match="its chunks end at line"):
        searcher.similar("walk.py", 999)
    with pytest.raises(UsageError, match="not in the index"):
        searcher.similar("absent.py", 1)


def _replace_by_link(path):
    path.rename(path.with_suffix(".away"))
    path.symlink_to(path.with_suffix(".away"))


def _replace_folder_by_link(path):
    outside = path.parent.parent.parent / "outside"
    path.parent.rename(outside)
    path.parent.symlink_to(outside)


def _replace_by_fifo(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("package net\n"),
        lambda path: path.write_text("// More.\n" + SOCKET),
        lambda path: path.write_text(SOCKET.replace("three", "3").replace("retries", "retires")),
        _replace_by_link,
        _replace_folder_by_link,
        _replace_by_fifo,
    ],
    ids=["gone", "cut", "moved", "same size", "link", "linked folder", "fifo"],
)
def test_a_file_that_is_no_longer_what_was_indexed_is_listed_without_code(searcher, root, change):
    assert searcher.search("OpenSocket").hits[0].text
    change(root / "net" / "socket.go")
    hit = searcher.search("OpenSocket").hits[0]
    assert (hit.name, hit.text) == ("OpenSocket", "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_code_is_shown_as_its_encoding_says(root, encoding):
    (root / "umlaut.py").write_text("# Zähler\ndef zaehle():\n    pass\n", encoding=encoding)
    encoder = LetterEncoder()
    build_index(root, encoder, encoder_name=encoder.name)
    with Searcher(open_index(root, encoder.name), encoder, None, Blend()) as opened:
        hit = next(hit for hit in opened.search("zaehle").hits if hit.path == "umlaut.py")
    assert hit.text.startswith("# Zähler\ndef zaehle")


def test_every_stage_is_explained(searcher):
    hit = searcher.search("walk_tree").hits[0]
    assert {"lexical", "definition", "first_stage", "final"} <= set(hit.stages)
    assert {"lexical", "symbol"} <= set(hit.found_by)


def test_without_vectors_words_alone_answer(root):
    build_index(root, None, vectors=False)
    with Searcher(open_index(root, None), LetterEncoder(), None, Blend()) as opened:
        answer = opened.search("dials an address")
    assert answer.hits[0].name == "OpenSocket"
    assert "dense" not in answer.hits[0].found_by


def test_a_search_builds_and_later_updates_the_index(root):
    with open_searcher(root) as opened:
        assert opened.built
        assert opened.freshness.coverage == 1.0
    (root / "walk.py").write_text(WALK.replace("walk_tree", "climb_tree"))
    with open_searcher(root) as opened:
        assert not opened.built
        assert opened.freshness.updated_files == 1
        assert opened.search("climb_tree").hits[0].name == "climb_tree"


def test_the_update_before_a_search_keeps_the_limit_of_the_index(root):
    (root / "long.py").write_text("def find_the_long_one():\n" + "    step()\n" * 200)
    build_index(root, None, vectors=False, max_file_bytes=1000)
    with open_searcher(root, max_file_bytes=5000) as opened:
        assert opened.search("find_the_long_one").hits[0].path != "long.py"
    build_index(root, None, vectors=False, max_file_bytes=5000)
    with open_searcher(root) as opened:
        assert opened.search("find_the_long_one").hits[0].path == "long.py"


def test_the_configured_limit_is_that_of_an_index_without_one(root):
    (root / "long.py").write_text("def find_the_long_one():\n" + "    step()\n" * 200)
    with open_searcher(root, max_file_bytes=1000) as opened:
        assert opened.search("find_the_long_one").hits[0].path != "long.py"
    with open_searcher(root) as opened:
        assert opened.search("find_the_long_one").hits[0].path == "long.py"


@pytest.fixture
def letters(monkeypatch):
    """The fake encoder in the shipped one's place, and few vectors at once."""
    monkeypatch.setattr("codeseek.search.LazyEncoder", LetterEncoder)
    monkeypatch.setattr("codeseek.search.FILL_AT_ONCE", 1)
    monkeypatch.setattr("codeseek.search.TOUCHED", 2)


def test_a_search_that_does_not_wait_encodes_what_it_touches(root, letters):
    with open_searcher(root, wait=False) as opened:
        assert opened.built
        assert opened.freshness.coverage == 0.0
        answer = opened.search("dials an address and retries")
        assert answer.hits[0].name == "OpenSocket"
        assert "dense" in answer.hits[0].found_by
        touched = opened.freshness.vectors
        assert 1 <= touched <= 2
    with open_searcher(root, wait=False) as opened:
        assert not opened.built
        assert opened.freshness.vectors == touched  # kept for the next search
        opened.search("visit every folder below the root")
        assert touched < opened.freshness.vectors < opened.freshness.chunks
    with open_searcher(root) as opened:
        assert opened.freshness.coverage == 1.0
        assert opened.index.dense.pending_rows == 0


def test_a_few_missing_vectors_are_made_before_the_answer(root, letters, monkeypatch):
    monkeypatch.setattr("codeseek.search.FILL_AT_ONCE", 100)
    with open_searcher(root, wait=False) as opened:
        assert opened.freshness.coverage == 1.0


def test_where_no_vector_can_be_stored_words_answer(root, letters, monkeypatch):
    monkeypatch.setattr("codeseek.fill.open_vectors", _refuse)
    with open_searcher(root, wait=False) as opened:
        assert opened.search("dials an address and retries").hits[0].name == "OpenSocket"
        assert opened.freshness.coverage == 0.0


def _refuse(name):
    raise FileError("cannot write")


def test_while_another_process_updates_the_last_state_answers(root, letters, monkeypatch):
    monkeypatch.setattr("codeseek.search.UPDATE_WAIT_S", 0.0)
    lock = make_private_dir(index_dir(root)) / "lock"
    with writer_lock(lock), pytest.raises(IndexLocked):
        open_searcher(root, wait=False)  # there is nothing yet to answer from
    open_searcher(root).index.close()
    (root / "walk.py").write_text(WALK.replace("walk_tree", "climb_tree"))
    with writer_lock(lock):
        with pytest.raises(IndexLocked):
            open_searcher(root)
        with open_searcher(root, wait=False) as opened:
            assert "another process" in opened.lag
            assert opened.search("walk_tree").hits[0].name == "walk_tree"


def test_a_ranker_that_is_not_there_is_told_before_anything_is_built(root):
    with pytest.raises(ModelError, match="no-model"):
        open_searcher(root, ranker=str(root / "no-model"))
    assert not index_dir(root).exists()


def test_a_first_build_that_has_committed_nothing_is_waited_for(root, letters, monkeypatch):
    monkeypatch.setattr("codeseek.search.UPDATE_WAIT_S", 0.0)
    empty = root / "empty"
    empty.mkdir()
    open_searcher(empty).index.close()  # a catalogue without chunks, as a build makes it first
    with writer_lock(index_dir(empty) / "lock"), pytest.raises(IndexLocked):
        open_searcher(empty, wait=False)


def test_vectors_that_cannot_be_written_leave_the_words(root, letters, monkeypatch):
    def refuse(*_, **__):
        raise FileError("cannot write the vectors")

    monkeypatch.setattr("codeseek.search.fill_vectors", refuse)
    monkeypatch.setattr("codeseek.search.encode_some", refuse)
    with open_searcher(root, wait=False) as opened:
        assert opened.freshness.coverage == 0
        answer = opened.search("walk_tree")
        assert answer.hits[0].name == "walk_tree"
        assert not answer.no_good_match  # a score without vectors cannot tell
    with pytest.raises(FileError):
        open_searcher(root)


def test_an_index_that_cannot_be_updated_answers_as_it_is(root, letters, monkeypatch):
    def refuse(*_, **__):
        raise FileError("cannot write there")

    open_searcher(root).index.close()
    (root / "walk.py").write_text(WALK.replace("walk_tree", "climb_tree"))
    monkeypatch.setattr("codeseek.search.update_index", refuse)
    with open_searcher(root) as opened:
        assert opened.lag == "cannot write there"
        assert opened.search("walk_tree").hits[0].name == "walk_tree"
    monkeypatch.setattr("codeseek.search._can_open", lambda *_: False)
    with pytest.raises(FileError):
        open_searcher(root)


def test_an_update_goes_on_while_another_process_fills_in_vectors(root, letters):
    open_searcher(root).index.close()
    (root / "walk.py").write_text(WALK.replace("walk_tree", "climb_tree"))
    with writer_lock(index_dir(root) / FILL_LOCK), open_searcher(root, wait=False) as opened:
        assert not opened.lag
        assert opened.search("climb_tree").hits[0].name == "climb_tree"


def test_without_an_update_a_missing_index_is_an_error(root):
    with pytest.raises(IndexMissing):
        open_searcher(root, update=False)


def test_a_ranker_that_ships_is_read_only_where_it_weighs(searcher):
    class Counting:
        name = "counting"
        calls = 0

        def rank(self, query, documents):
            self.calls += 1
            return np.zeros(len(documents), np.float32)

    searcher.ranker = ranker = Counting()
    searcher.search("visit every folder")
    assert ranker.calls == 1
    searcher.search("visit every folder", rerank=False)
    searcher.search("walk_tree")
    assert ranker.calls == 1
