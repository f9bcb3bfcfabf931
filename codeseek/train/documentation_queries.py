"""Queries from documentation: its first sentence, the sentence without the function's own name, its keywords."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from codeseek.chunkers.roles import path_flags
from codeseek.retrievers.signals import same_word
from codeseek.train.mining_filters import KEYWORDS_MIN_WORDS, MIN_DOCUMENT_CHARS, Rejection, judge_query
from codeseek.train.undocumented import holds_text, without_documentation
from codeseek.types import Chunk, Kind
from codeseek.words import STOP_WORDS, split_identifier

__all__ = ["MinedQuery", "first_sentence", "is_target", "keywords", "mine_documentation", "without_name"]

MAX_KEYWORDS = 8
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|\n\s*\n|\n\s*[@:\-*\\<]|\n(?=[A-Z][a-z]+:)|:\s*\n")
_TAG = re.compile(r"<[^<>]{1,80}>|\{@\w+\s+([^{}]*)\}|``?")
_WORD = re.compile(r"[^\W_][\w'-]*")
_NO_TARGETS = frozenset({Kind.CODE, Kind.TEXT, Kind.MODULE})


@dataclass(frozen=True, slots=True)
class MinedQuery:
    """A query and the ids of the chunks that answer it, best first; `kind` says where it comes from."""

    kind: str
    text: str
    targets: tuple[str, ...]


def is_target(chunk: Chunk) -> bool:
    """Whether a query may be about this chunk: a definition, its first part, not of a test, an example or a copy."""
    test, example, legacy, declaration = path_flags(chunk.path)
    usual = not (test or example or legacy or declaration)
    return usual and chunk.kind not in _NO_TARGETS and bool(chunk.name) and chunk.part == 0


def mine_documentation(
    chunks: Iterable[tuple[str, Chunk]], rejected: Counter[Rejection], *, variants: bool = True
) -> Iterator[MinedQuery]:
    """Yields queries of the documented definitions; the code is to be served without its documentation.

    Args:
        chunks: Ids and chunks of one repository, with their documentation.
        rejected: Counts what was left out, by reason.
        variants: Besides the first sentence, it without the function's name, and its keywords.
    """
    found: list[tuple[str, Chunk, str]] = []
    for identifier, chunk in chunks:
        if not chunk.documentation or not is_target(chunk):
            continue
        sentence = first_sentence(chunk.documentation)
        bare = without_documentation(chunk)
        reason = judge_query(sentence)
        if reason is None and len(" ".join(bare.text.split())) < MIN_DOCUMENT_CHARS:
            reason = Rejection.SHORT_DOCUMENT
        if reason is None and holds_text(bare, sentence):
            reason = Rejection.LEAK
        if reason is not None:
            rejected[reason] += 1
            continue
        found.append((identifier, chunk, sentence))
    times = Counter(sentence.lower() for _, _, sentence in found)
    for identifier, chunk, sentence in found:
        if times[sentence.lower()] > 1:
            rejected[Rejection.REPEATED] += 1
            continue
        yield MinedQuery("documentation", sentence, (identifier,))
        if variants:
            yield from _variants(identifier, chunk, sentence)


def _variants(identifier: str, chunk: Chunk, sentence: str) -> Iterator[MinedQuery]:
    nameless = without_name(sentence, chunk)
    enough = len(keywords(nameless).split()) >= KEYWORDS_MIN_WORDS
    if nameless.lower() != sentence.lower() and enough and judge_query(nameless) is None:
        yield MinedQuery("without name", nameless, (identifier,))
    words = keywords(sentence)
    if judge_query(words, min_words=KEYWORDS_MIN_WORDS) is None and words.lower() != sentence.lower():
        yield MinedQuery("keywords", words, (identifier,))


def first_sentence(documentation: str) -> str:
    """The first sentence on one line, without its full stop and without mark-up."""
    text = _TAG.sub(lambda tag: tag[1] or "", documentation.strip())
    return " ".join(_SENTENCE_END.split(text, maxsplit=1)[0].split()).rstrip(". ")


def without_name(sentence: str, chunk: Chunk) -> str:
    """The sentence without the function's name, and without the words that the name is made of."""
    name = chunk.name.lower()
    own = split_identifier(chunk.name)
    kept = []
    for token in sentence.split():
        bare = token.strip("`'\".,;:()[]*").removesuffix("()")
        last = re.split(r"[.#:]+", bare)[-1].lower()
        words = split_identifier(bare)
        if last == name or (words and all(any(same_word(word, part) for part in own) for word in words)):
            continue
        kept.append(token)
    return " ".join(kept).strip(" ,;:-")


def keywords(sentence: str, limit: int = MAX_KEYWORDS) -> str:
    """The words that carry meaning, in order and in lower case, as people type them into a search."""
    words = [word.lower() for word in _WORD.findall(sentence)]
    small = STOP_WORDS | {
        "for",
        "with",
        "if",
        "not",
        "this",
        "given",
        "returns",
        "return",
        "used",
        "using",
        "when",
        "all",
    }
    return " ".join(list(dict.fromkeys(word for word in words if word not in small and len(word) > 1))[:limit])
