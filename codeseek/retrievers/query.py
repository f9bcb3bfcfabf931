"""What a query asks for, as far as its words tell: terms, identifiers, and whether it is a symbol look-up."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codeseek.types import QUERY_MAX_CHARS
from codeseek.words import STOP_WORDS, query_terms, split_identifier

_IDENTIFIER = re.compile(r"[^\W\d]\w*[!?]?")
_QUALIFIED = re.compile(r"[^\W\d]\w*[!?]?(?:(?:::|->|\.|#|/|\\)[^\W\d]\w*[!?]?)*(?:\(\))?")
_SEPARATORS = re.compile(r"::|->|[.#/\\]")
_WORD = re.compile(r"\w+")
# "doesn't" and the end of "what's": no words of code, but rare enough among comments to outweigh those that are.
_CONTRACTED = re.compile(r"\b\w+n['’]t\b|(?<=\w)['’](?:s|re|ve|ll|d|m)\b", re.IGNORECASE)

# Words by which a query asks for code that is otherwise placed behind the implementation.
_ASKS_FOR = {
    "test": frozenset("test tests testing tested spec specs suite fixture fixtures mock mocks assert".split()),
    "example": frozenset(
        "example examples sample samples demo demos tutorial walkthrough snippet bench benchmark".split()
    ),
    "legacy": frozenset(
        "legacy compat compatibility deprecated shim polyfill vendor vendored bundled backport".split()
    ),
    "prose": frozenset(
        "readme documentation docs changelog guide manual config configuration markdown yaml workflow".split()
    ),
}


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query.

    `terms` are what the lexical index is asked, `words` the single words among them; `identifiers` the words that look
    like names of code, lower-cased, the last component of a qualified name; `qualifiers` its leading components;
    `is_symbol` when the whole query is one name, `is_terse` when it is words without a sentence around them; `asks_for`
    the groups of paths that it names on purpose.
    """

    text: str
    terms: tuple[str, ...]
    words: tuple[str, ...]
    identifiers: tuple[str, ...]
    qualifiers: tuple[str, ...]
    is_symbol: bool
    is_terse: bool
    asks_for: frozenset[str]


def parse_query(text: str) -> Query:
    """Never raises; an empty query has no terms."""
    text = " ".join(text[:QUERY_MAX_CHARS].split())
    is_symbol = bool(_QUALIFIED.fullmatch(text))
    identifiers: dict[str, None] = {}
    qualifiers: dict[str, None] = {}
    for word in [text] if is_symbol else _QUALIFIED.findall(text):
        *leading, last = [part for part in _SEPARATORS.split(word.removesuffix("()")) if part] or [word]
        if is_symbol or leading or looks_like_identifier(last):
            identifiers[last.lower()] = None
            qualifiers |= dict.fromkeys(part.lower() for part in leading)
    if text and " " not in text and not identifiers:
        identifiers[text.lower()] = None  # such as `foldl'`, `deploy-site`, `operator==`
    plain = _CONTRACTED.sub(" ", text)
    words = query_terms(" ".join(word for run in _WORD.findall(plain) for word in split_identifier(run)))
    spoken = {word.lower() for word in _WORD.findall(text)} | set(words)
    return Query(
        text=text,
        terms=tuple(dict.fromkeys(query_terms(plain))),
        words=tuple(dict.fromkeys(words)),
        identifiers=tuple(identifiers),
        qualifiers=tuple(qualifiers),
        is_symbol=is_symbol,
        is_terse=not is_symbol and not any(word.lower() in STOP_WORDS for word in _IDENTIFIER.findall(text)),
        asks_for=frozenset(group for group, asking in _ASKS_FOR.items() if asking & spoken),
    )


def looks_like_identifier(word: str) -> bool:
    """Whether a word of prose is more likely a name: `getUser`, `parse_config`, `HTTPAdapter`; not `Users`, `HTTP`."""
    bare = word.strip("_")
    return (
        "_" in bare
        or word.startswith("_")
        or (len(split_identifier(word)) > 1 and not bare.isupper() and not bare.islower())
    )
