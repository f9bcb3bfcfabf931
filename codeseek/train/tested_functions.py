"""Queries from tests: the name of a test says what the function that it calls does."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from codeseek.chunkers.roles import path_flags
from codeseek.retrievers.signals import same_word
from codeseek.train.documentation_queries import MinedQuery, is_target
from codeseek.train.mining_filters import Rejection, judge_query
from codeseek.types import Chunk, Kind
from codeseek.words import split_identifier

__all__ = ["mine_tests"]

_CALL = re.compile(r"([^\W\d]\w*)[!?]?\s*\(")
# `it("parses …", …)` of JavaScript, RSpec's `it "parses …" do`, Catch2's TEST_CASE("…").
_DESCRIBED = re.compile(r"\b(?:it|test|specify|scenario|TEST_CASE|context)\s*\(?\s*([\"'`])([^\"'`\n]{12,140})\1")
_MARKS = frozenset({"test", "tests", "should", "it", "spec", "case"})
_CALLABLES = (Kind.FUNCTION, Kind.METHOD)
MAX_DESCRIBED = 60  # of one chunk
MIN_NAME_WORDS = 4  # shorter names are those of helpers and fixtures


def mine_tests(chunks: Sequence[tuple[str, Chunk]], rejected: Counter[Rejection]) -> Iterator[MinedQuery]:
    """Yields the words of test names, for the one function of the repository that the test calls and is about.

    A function is taken where its name is unique and it shares the most words with the test: at least one, and more than
    any other function called.

    Args:
        chunks: Ids and chunks of one repository.
        rejected: Counts what was left out, by reason.
    """
    defined: dict[str, list[str]] = defaultdict(list)
    for identifier, chunk in chunks:
        if is_target(chunk):
            defined[chunk.name].append(identifier)
    unique = {name: found[0] for name, found in defined.items() if len(found) == 1}
    seen: set[str] = set()
    for words, body in _tests(chunks):
        target = _target(words, body, unique)
        text = " ".join(words)
        if target is None or text in seen:
            continue
        reason = judge_query(text)
        if reason is not None:
            rejected[reason] += 1
            continue
        seen.add(text)
        yield MinedQuery("test", text, (target,))


def _tests(chunks: Iterable[tuple[str, Chunk]]) -> Iterator[tuple[list[str], str]]:
    """The words of each test's name or description, and its code."""
    for _, chunk in chunks:
        if not path_flags(chunk.path)[0]:
            continue
        words = split_identifier(chunk.name)
        if chunk.part == 0 and chunk.kind in _CALLABLES and len(words) >= MIN_NAME_WORDS:
            yield [word for word in words if word not in _MARKS], chunk.text
        found = list(_DESCRIBED.finditer(chunk.text))[:MAX_DESCRIBED]
        for number, match in enumerate(found):
            end = found[number + 1].start() if number + 1 < len(found) else len(chunk.text)
            spoken = match[2].split()
            while spoken and spoken[0].lower() in _MARKS:
                del spoken[0]
            yield spoken, chunk.text[match.end() : end]


def _target(words: Sequence[str], body: str, unique: dict[str, str]) -> str | None:
    spoken = [part for word in words for part in split_identifier(word)]
    shared = {
        name: sum(any(same_word(word, part) for part in spoken) for word in split_identifier(name))
        for name in set(_CALL.findall(body)) & unique.keys()
    }
    if not shared:
        return None
    best = max(shared.values())
    holders = [name for name, count in shared.items() if count == best]
    return unique[holders[0]] if best and len(holders) == 1 else None
