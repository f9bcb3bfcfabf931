"""Words and terms of code and of queries: the same rules for what is indexed, asked, weighed and trained on."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["STOP_WORDS", "query_terms", "singular", "split_identifier", "terms"]

# Names longer than this are data (hashes, base64) and would only fill the vocabulary.
TERM_MAX_CHARS = 64

# Words that say nothing about code although queries are full of them. Few: "for", "while", "if", "not" and "with" name
# things in code.
_STOP_WORDS = """
a an the of to in on at by is are was were be been am do does did how what where when which who whose why that this
these those there here it its i we you my our your can could should would will shall may might me us them they and or so
such than then into from as has have had please
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

# HTTPServer -> HTTP Server, parse2 -> parse 2, IDs -> IDs; letters without case (CJK) stay together.
_WORD = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_UNICODE_WORD = re.compile(r"\d+|[^\W\d_]+")
_IDENTIFIER = re.compile(r"\w+")


def split_identifier(text: str) -> list[str]:
    """Lower-case words of an identifier: camelCase, snake_case, digits, acronyms.

    `parseHTTPRequest2` -> parse, http, request, 2.
    """
    return [word.lower() for word in _words(text)]


def singular(word: str) -> str:
    """A light English plural rule, the same for documents and queries: requests, entries; not class, status, this."""
    if len(word) < 4 or word[-1] != "s" or word[-2] in "sui":
        return word
    return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]


def terms(text: str) -> list[str]:
    """Terms of a text, repeats kept.

    Each identifier gives its words and, when it has several, itself in lower case without underscores, so that
    `getUserById` meets `get_user_by_id`.
    """
    return [
        term
        for identifier in _IDENTIFIER.findall(text)
        if len(identifier) <= TERM_MAX_CHARS
        for term in _identifier_terms(identifier)
    ]


def query_terms(query: str) -> list[str]:
    """Terms of a query by the same rules, without stop words, unless it has nothing else; in order, repeats kept."""
    found = [
        term
        for identifier in _IDENTIFIER.findall(query)
        if len(identifier) <= TERM_MAX_CHARS and identifier.lower() not in STOP_WORDS
        for term in _identifier_terms(identifier)
    ]
    return found or terms(query)


def _words(text: str) -> list[str]:
    if text.isascii():
        return _WORD.findall(text)
    words = []
    for run in _UNICODE_WORD.findall(text):
        start = 0
        for position in range(1, len(run)):
            if run[position].isupper() and run[position - 1].islower():
                words.append(run[start:position])
                start = position
        words.append(run[start:])
    return words


@lru_cache(maxsize=1 << 17)
def _identifier_terms(identifier: str) -> tuple[str, ...]:
    """Of a short identifier: the cache keeps each, and a hostile file may hold some of a megabyte."""
    words = tuple(singular(word.lower()) for word in _words(identifier))
    if len(words) < 2:
        return words
    return (identifier.replace("_", "").lower(), *words)
