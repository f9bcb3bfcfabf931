"""Words of identifiers and terms of queries."""

from __future__ import annotations

import pytest

from codeseek.words import query_terms, split_identifier


@pytest.mark.parametrize(
    ("identifier", "words"),
    [
        ("parseHTTPRequest2", "parse http request 2"),
        ("get_user_by_id", "get user by id"),
        ("XMLParser", "xml parser"),
        ("userIDs", "user ids"),
        ("utf8", "utf 8"),
        ("MAX_SIZE", "max size"),
        ("_private__name", "private name"),
        ("std::vector<int>", "std vector int"),
        ("größe", "größe"),
        ("Überschrift", "überschrift"),
        ("読み込み", "読み込み"),
        ("A", "a"),
        ("", ""),
    ],
)
def test_split_identifier(identifier: str, words: str) -> None:
    assert " ".join(split_identifier(identifier)) == words


def test_names_meet_across_styles() -> None:
    assert set(query_terms("getUserById")) == set(query_terms("get_user_by_id")) | {"getuserbyid"}
    assert query_terms("requests") == query_terms("Request")


def test_query_without_stop_words() -> None:
    assert query_terms("how are the failed requests retried?") == ["failed", "request", "retried"]


@pytest.mark.parametrize("query", ["", "   ", "?!", "the", "where is it"])
def test_query_of_nothing_else_keeps_its_words(query: str) -> None:
    assert bool(query_terms(query)) == any(character.isalpha() for character in query)


@pytest.mark.parametrize("query", ["где пропускаются файлы", "忽略的文件在哪里", "🔥 hot path", "x" * 100_000])
def test_any_query_has_terms_in_bounded_time(query: str) -> None:
    assert all(len(term) <= 64 for term in query_terms(query))
