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
from codeseek.words import split_identifier, terms

__all__ = ["encoder_part", "encoder_text", "lexical_terms", "ranker_text"]

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


def encoder_text(chunk: Chunk) -> str:
    """What the dual-encoder reads: names and their words, documentation, then the code without blanks.

    Holds no path, so that a moved file keeps its vectors, unless it becomes a test or another thing aside.

    Returns:
        At most `ENCODER_MAX_CHARS` characters, `ASIDE_MAX_CHARS` of what is aside.
    """
    return _cut_for_encoder(_text(chunk), chunk.kind, chunk.path)


def ranker_text(chunk: Chunk) -> str:
    """What the cross-encoder reads: the words of the path, then names, documentation and code as in `encoder_text`.

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
    # A line break at the cut is dropped: texts of earlier versions had none, and their vectors are found by content.
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


def lexical_terms(chunk: Chunk) -> Mapping[str, list[str]]:
    """Terms by field, repeats kept; the body is what none of the others holds."""
    return {
        "path": terms(chunk.path),
        "name": terms(chunk.name),
        "scope": terms(" ".join(chunk.scope)),
        "signature": terms(chunk.signature),
        "documentation": terms(chunk.documentation),
        "body": terms("\n".join(_code_lines(chunk))),
    }


@lru_cache(maxsize=1 << 14)
def _name_words(qualified_name: str) -> tuple[str, ...]:
    return tuple(split_identifier(qualified_name))


@lru_cache(maxsize=1 << 12)
def _path_words(path: str) -> str:
    """The end of a long path says more than its beginning."""
    words = " ".join(split_identifier(path))
    return words if len(words) <= PATH_MAX_CHARS else words[-PATH_MAX_CHARS:].partition(" ")[2]


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
