import numpy as np
import pytest

from codeseek.retrievers.query import parse_query
from codeseek.retrievers.signals import SIGNALS, measure_signals, path_words, same_word, spread, vote
from codeseek.types import ByteRange, Kind, Span, StoredChunk


def chunk(path="src/walk.py", name="walk", kind=Kind.FUNCTION, scope=(), size=512, part=0, number=0, members=()):
    return StoredChunk(
        number, path, "python", kind, name, scope, f"def {name}()", Span(1, 9), ByteRange(0, size - 1), part, members
    )


def measure(text, chunks, bm25=None, cosines=None, held=None):
    query = parse_query(text)
    count = len(chunks)
    bm25 = np.array(bm25 if bm25 is not None else [1.0] * count, np.float32)
    cosines = np.array(cosines if cosines is not None else [0.5] * count, np.float32)
    ranks = np.arange(1, count + 1, dtype=np.float32)
    rarity = np.ones(len(query.words), np.float32)
    held = np.zeros((len(query.words), count), bool) if held is None else np.array(held)
    values = measure_signals(query, rarity, held, chunks, bm25, ranks, cosines, ranks)
    return [dict(zip(SIGNALS, row, strict=True)) for row in values]


def test_the_definition_of_the_symbol_is_recognised_whatever_its_case():
    chunks = [chunk(name="GetUserById"), chunk(name="getuserbyid"), chunk(name="get")]
    exact, other_case, other = [row["definition"] for row in measure("GetUserById", chunks)]
    assert exact == 1.0 > other_case > other == 0.0


def test_a_look_up_finds_what_is_too_short_for_a_chunk():
    chunks = [chunk(name="User", members=("id", "get_name")), chunk(name="name")]
    assert [row["definition"] for row in measure("get_name", chunks)] == [1.0, 0.0]
    assert [row["definition"] for row in measure("Get_Name", chunks)] == [0.5, 0.0]
    assert [row["definition"] for row in measure("what calls get_name", chunks)] == [0.0, 0.0]


def test_of_a_qualified_name_the_scope_counts_as_qualifier():
    inside, outside = measure("Foo::bar", [chunk(name="bar", scope=("Foo",)), chunk(name="bar", scope=("Baz",))])
    assert (inside["qualifier"], outside["qualifier"]) == (1.0, 0.0)
    assert inside["definition"] == outside["definition"] == 1.0


@pytest.mark.parametrize(
    ("query", "name"),
    [("where is parse_config?", "parse_config"), ("valid?", "valid?"), ("deploy-site", "deploy-site")],
)
def test_marks_around_a_name_do_not_hide_its_definition(query, name):
    named, other = measure(query, [chunk(name=name), chunk(name="other")])
    assert (named["definition"], other["definition"]) == (1.0, 0.0)


@pytest.mark.parametrize(("query", "qualifier"), [("Shop.Cart", 1.0), ("Cart", 0.0), ("Shop::Cart", 1.0)])
def test_a_namespace_is_found_by_the_end_of_its_name(query, qualifier):
    module, method = measure(
        query, [chunk(name="Shop.Cart", kind=Kind.MODULE), chunk(name="add", scope=("Shop.Cart",), path="x.ex")]
    )
    assert (module["definition"], module["qualifier"]) == (1.0, qualifier)
    assert method["definition"] == 0.0
    (row,) = measure("Shop.Cart.add", [chunk(name="add", scope=("Shop.Cart",), path="x.ex")])
    assert (row["definition"], row["qualifier"]) == (1.0, 1.0)


def test_a_private_name_is_found_without_its_mark():
    assert measure("Parser#parse", [chunk(name="#parse", scope=("Parser",))])[0]["definition"] == 1.0


def test_plurals_of_names_are_their_words():
    assert measure("decode request bodies", [chunk(name="decode_bodies")])[0]["name_cover"] == 1.0


def test_name_and_file_words_are_shared_by_rarity():
    (row,) = measure("walk directories", [chunk(path="src/directory_walker.py", name="walk")])
    assert row["name"] == pytest.approx(0.5)
    assert row["name_cover"] == 1.0
    assert row["stem"] == 1.0
    assert row["stem_cover"] == 1.0


def test_lexical_is_a_share_of_the_best_and_dense_is_spread():
    first, second = measure("q words", [chunk(), chunk()], bm25=[8.0, 2.0], cosines=[0.6, 0.2])
    assert (first["lexical"], second["lexical"]) == (1.0, 0.25)
    assert (first["dense"], second["dense"]) == (1.0, 0.0)
    assert first["cosine"] == pytest.approx(0.6)


def test_a_file_with_more_evidence_is_worth_more():
    rows = measure("q words", [chunk("a.py"), chunk("a.py"), chunk("b.py")], bm25=[4, 4, 4], cosines=[0.5, 0.5, 0.5])
    assert rows[0]["file"] == rows[1]["file"] == 1.0
    assert rows[2]["file"] == pytest.approx(0.5)
    assert [row["file_best"] for row in rows] == [1.0, 0.0, 1.0]


def test_tests_stand_behind_unless_asked_for():
    path = "tests/test_walk.py"
    assert measure("walk a tree", [chunk(path)])[0]["test"] == 1.0
    assert measure("tests of walking a tree", [chunk(path)])[0]["test"] == 0.0


def test_code_among_documentation_is_an_example_and_its_prose_is_not():
    rows = measure(
        "walk a tree", [chunk("docs/source/walk.py"), chunk("docs/walk.md", kind=Kind.TEXT), chunk("src/doc/parse.ts")]
    )
    assert [row["example"] for row in rows] == [1.0, 0.0, 0.0]


def test_a_file_named_like_its_role_takes_its_folders_name():
    assert path_words("src/router/index.ts")[0] == {"router"}
    assert path_words("src/router/mod.rs")[0] == {"router"}
    assert path_words("HttpClient.kt")[0] == {"http", "client"}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("route", "router"),
        ("dependency", "dependencies"),
        ("parse", "parser"),
        ("x", "x"),
        ("log", "logger"),
        ("use", "used"),
        ("map", "mapping"),
    ],
)
def test_endings_do_not_matter(a, b):
    assert same_word(a, b)


@pytest.mark.parametrize(
    ("a", "b"), [("in", "index"), ("test", "testimonials"), ("for", "format"), ("use", "user"), ("not", "note")]
)
def test_other_words_are_other_words(a, b):
    assert not same_word(a, b)


def test_votes_fall_with_the_rank_and_are_nothing_outside_the_list():
    votes = vote(np.array([1, 11, 0]))
    assert votes.tolist() == [1.0, 0.5, 0.0]


def test_equal_values_spread_to_one():
    assert spread(np.array([0.3, 0.3, 0.9]), np.array([True, True, False])).tolist() == [1.0, 1.0, 0.0]


def test_no_candidates():
    assert measure("anything", []) == []
