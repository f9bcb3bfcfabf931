"""What models and the lexical index read of a chunk, built here and nowhere else.

Training, indexing and reranking call the same functions, so that a model is served the text it was trained on. What the
user sees is the source itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from codeseek.chunkers.comments import strip_marks
from codeseek.chunkers.roles import path_flags
from codeseek.types import Chunk, Kind

__all__ = [
    "STOP_WORDS",
    "encoder_part",
    "encoder_text",
    "lexical_terms",
    "query_terms",
    "ranker_text",
    "singular",
    "split_identifier",
]

# Encoders read at most 192 tokens, the shipped one 126; code runs at three to five characters a token once its blanks
# are collapsed, so that more characters would only be cut off by the tokenizer.
ENCODER_MAX_CHARS = 900
# Rankers may choose what they read by the query (`encoders/passages.py`): a whole chunk with names and documentation.
RANKER_MAX_CHARS = 3_000
# Prose, tests, examples and vendored code are half of what there is to encode, and seldom the answer: how they begin is
# enough, some 62 tokens (benchmarks/LOG.md).
ASIDE_MAX_CHARS = 200
PATH_MAX_CHARS = 100
# Documentation may fill a third, the code gets the rest: the first sentences say what, the others how.
DOCUMENTATION_MAX_CHARS = 320
SIGNATURE_MAX_CHARS = 200
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


def encoder_text(chunk: Chunk) -> str:
    """What the dual-encoder reads: names and their words, documentation, then the code without blanks.

    Holds no path, so that a moved file keeps its vectors, unless it becomes a test or another thing aside.

    Returns:
        At most `ENCODER_MAX_CHARS` characters, `ASIDE_MAX_CHARS` of what is aside.
    """
    return _cut_for_encoder(_text(chunk), chunk.kind, chunk.path)


def ranker_text(chunk: Chunk) -> str:
    """What the cross-encoder reads: the words of the path, then the text of `encoder_text`, uncut.

    Returns:
        At most `PATH_MAX_CHARS` + 1 + `RANKER_MAX_CHARS` characters.
    """
    return f"{_path_words(chunk.path)}\n{_text(chunk)}"


def encoder_part(document: str, kind: Kind, path: str) -> str:
    """What the dual-encoder reads, given what the cross-encoder does of the same chunk; a path's words are one line."""
    return _cut_for_encoder(document.partition("\n")[2], kind, path)


def _cut_for_encoder(text: str, kind: Kind, path: str) -> str:
    test, example, legacy, _ = path_flags(path)
    if kind is Kind.TEXT or test or example or legacy:
        return text[:ASIDE_MAX_CHARS]
    # A line's end at the cut says nothing, and vectors are kept by content: it never was part of it.
    return text[:ENCODER_MAX_CHARS].removesuffix("\n")


@lru_cache(maxsize=1)  # both models' texts of one chunk are built in turn
def _text(chunk: Chunk) -> str:
    lines = []
    title = chunk.qualified_name
    if title:
        words = " ".join(_name_words(title))
        kind = "" if chunk.kind in (Kind.CODE, Kind.TEXT) else f"{chunk.kind.value} "
        lines.append(f"{kind}{title}" if words == title.lower() else f"{kind}{title}: {words}")
    if chunk.documentation:
        lines.append(_first_sentences(chunk.documentation, DOCUMENTATION_MAX_CHARS))
    if chunk.part and chunk.signature:
        # The first part begins with its signature anyway.
        lines.append(chunk.signature[:SIGNATURE_MAX_CHARS])
    budget = RANKER_MAX_CHARS - sum(map(len, lines)) - len(lines)
    for line in _code_lines(chunk):
        if budget <= 0:
            break
        line = " ".join(line.split())
        lines.append(line)
        budget -= len(line) + 1
    return "\n".join(lines)[:RANKER_MAX_CHARS]


def split_identifier(text: str) -> list[str]:
    """Lower-case words of an identifier: camelCase, snake_case, digits, acronyms.

    `parseHTTPRequest2` -> parse, http, request, 2.
    """
    return [word.lower() for word in _words(text)]


def lexical_terms(chunk: Chunk) -> Mapping[str, list[str]]:
    """Terms by field: path, name, scope, signature, documentation, body (what none of the others holds).

    Each identifier gives its words and, when it has several, itself in lower case without underscores, so that
    `getUserById` meets `get_user_by_id`. Repeated terms stay repeated.
    """
    return {
        "path": _terms(chunk.path),
        "name": _terms(chunk.name),
        "scope": _terms(" ".join(chunk.scope)),
        "signature": _terms(chunk.signature),
        "documentation": _terms(chunk.documentation),
        "body": _terms("\n".join(_code_lines(chunk))),
    }


def query_terms(query: str) -> list[str]:
    """Terms of a query by the same rules, without stop words, unless it has nothing else; in order, repeats kept."""
    terms = [
        term
        for identifier in _IDENTIFIER.findall(query)
        if len(identifier) <= TERM_MAX_CHARS and identifier.lower() not in STOP_WORDS
        for term in _identifier_terms(identifier)
    ]
    return terms or _terms(query)


# ---------------------------------------------------------------------------------------------------------------- words

# HTTPServer -> HTTP Server, parse2 -> parse 2, IDs -> IDs; letters without case (CJK) stay together.
_WORD = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_UNICODE_WORD = re.compile(r"\d+|[^\W\d_]+")
_IDENTIFIER = re.compile(r"\w+")


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


def _terms(text: str) -> list[str]:
    return [
        term
        for identifier in _IDENTIFIER.findall(text)
        if len(identifier) <= TERM_MAX_CHARS
        for term in _identifier_terms(identifier)
    ]


@lru_cache(maxsize=1 << 17)
def _identifier_terms(identifier: str) -> tuple[str, ...]:
    """Of a short identifier: the cache keeps each, and a hostile file may hold some of a megabyte."""
    words = tuple(singular(word.lower()) for word in _words(identifier))
    if len(words) < 2:
        return words
    return (identifier.replace("_", "").lower(), *words)


def singular(word: str) -> str:
    """A light English plural rule, the same for documents and queries: requests, entries; not class, status, this."""
    if len(word) < 4 or word[-1] != "s" or word[-2] in "sui":
        return word
    return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]


@lru_cache(maxsize=1 << 14)
def _name_words(qualified_name: str) -> tuple[str, ...]:
    return tuple(split_identifier(qualified_name))


@lru_cache(maxsize=1 << 12)
def _path_words(path: str) -> str:
    """The end of a long path says more than its beginning."""
    words = " ".join(split_identifier(path))
    return words if len(words) <= PATH_MAX_CHARS else words[-PATH_MAX_CHARS:].partition(" ")[2]


# ---------------------------------------------------------------------------------------------------------------- lines

_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")


def _first_sentences(text: str, max_chars: int) -> str:
    """Whole sentences where the first ones fit, on one line."""
    if len(text) > max_chars:
        ends = [found.end() for found in _SENTENCE_END.finditer(text, 0, max_chars)]
        text = text[: ends[-1] if ends and ends[-1] > max_chars // 2 else max_chars]
    return " ".join(text.split())


_HAS_WORD = re.compile(r"\w")


@lru_cache(maxsize=1)  # the encoder's text and the lexical terms of one chunk are built in turn
def _code_lines(chunk: Chunk) -> list[str]:
    """The chunk's lines without those of its documentation and those that close a block."""
    lines = [line for line in chunk.text.splitlines() if _HAS_WORD.search(line) and line.strip() != "end"]
    if not chunk.documentation:
        return lines
    documented = set(chunk.documentation.splitlines())
    return [line for line in lines if strip_marks(line) not in documented]
