import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.retrievers.query import looks_like_identifier, parse_query
from codeseek.types import QUERY_MAX_CHARS


@pytest.mark.parametrize(
    ("text", "identifiers", "qualifiers"),
    [
        ("Foo::bar", ("bar",), ("foo",)),
        ("parse_config", ("parse_config",), ()),
        ("getUserById", ("getuserbyid",), ()),
        ("a.b.c()", ("c",), ("a", "b")),
        ("Session", ("session",), ()),
        ("self->field", ("field",), ("self",)),
        ("valid?", ("valid?",), ()),
    ],
)
def test_a_single_name_is_a_symbol(text, identifiers, qualifiers):
    query = parse_query(text)
    assert query.is_symbol
    assert query.identifiers == identifiers
    assert query.qualifiers == qualifiers


def test_a_sentence_is_no_symbol_but_its_names_are_identifiers():
    query = parse_query("how does HTTPAdapter.send call parse_config for Users")
    assert not query.is_symbol
    assert query.identifiers == ("send", "parse_config")
    assert query.qualifiers == ("httpadapter",)


def test_words_are_single_while_terms_hold_the_whole_name_too():
    query = parse_query("where is getUserById called")
    assert "getuserbyid" in query.terms
    assert "getuserbyid" not in query.words
    assert {"get", "user", "id"} <= set(query.words)


@pytest.mark.parametrize(
    ("text", "group"),
    [("tests of the parser", "test"), ("usage example", "example"), ("deprecated api", "legacy"), ("readme", "prose")],
)
def test_a_query_can_ask_for_what_is_placed_behind(text, group):
    assert group in parse_query(text).asks_for


def test_an_ordinary_query_asks_for_nothing_special():
    assert parse_query("open a socket").asks_for == frozenset()


@pytest.mark.parametrize("word", ["getUser", "parse_config", "_private", "HTTPAdapter"])
def test_names_look_like_identifiers(word):
    assert looks_like_identifier(word)


@pytest.mark.parametrize("word", ["users", "Users", "HTTP", "JSON"])
def test_words_do_not_look_like_identifiers(word):
    assert not looks_like_identifier(word)


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_parses(text):
    query = parse_query(text)
    assert len(query.text) <= QUERY_MAX_CHARS
    assert len(set(query.terms)) == len(query.terms)


def test_a_very_long_query_is_cut():
    assert len(parse_query("word " * 50_000).text) <= QUERY_MAX_CHARS


def test_contractions_are_no_words_of_code():
    query = parse_query("why doesn't the client's pool retry, what’s it waiting for")
    assert query.words == query.terms == ("client", "pool", "retry", "waiting", "for")


@pytest.mark.parametrize("name", ["foldl'", "deploy-site", "operator==", "$fetch"])
def test_a_single_word_that_is_no_plain_name_may_name_a_definition(name):
    assert parse_query(name).identifiers == (name,)
    assert parse_query(f"what does {name} do").identifiers == ()


def test_a_letter_beyond_ascii_leaves_the_other_words_as_they_are():
    assert {"http", "server", "café"} <= set(parse_query("where is the HTTPServer of the café").words)
