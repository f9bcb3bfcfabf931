"""What a cross-encoder reads of a document that is too long for it: its beginning, and what shares words with a query.

On token ids, so that training and serving do the same with what they have.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from codeseek.words import STOP_WORDS, singular

__all__ = ["PassageSelector", "source_tokens"]

# Read of a document to choose from: nearly all that `chunkers.context.ranker_text` gives.
SOURCE_MAX_TOKENS = 1024
# Path, name and documentation or signature come first; then pieces of about a line. Other sizes (32 and 12, 40 and 20,
# 45 and 24) differ by less than chance (benchmarks/LOG.md).
HEAD_TOKENS = 36
PIECE_TOKENS = 14
# What a word counts that a piece chosen before has; unmeasured.
REPEATED = 0.3


def source_tokens(document_max_tokens: int) -> int:
    """Tokens of a document to choose from, where so many will be read."""
    return max(document_max_tokens, SOURCE_MAX_TOKENS)


class PassageSelector:
    """Cuts documents for queries.

    A word is what a tokenizer makes of it, so that one cut into many tokens meets only what is cut alike, and one of a
    single letter or character meets nothing.

    Args:
        token_of: The text of a token by its id, marks of its place in a word included ("##ing", "Ġin").
    """

    def __init__(self, token_of: Callable[[int], str | None]) -> None:
        self._token_of = token_of
        self._words: dict[int, str] = {}

    def cut(self, query: Sequence[int], document: Sequence[int], max_tokens: int) -> Sequence[int]:
        """Returns at most `max_tokens` ids of the document, in its order.

        After the beginning, the piece comes in whose words of the query weigh most, then the next; a word weighs less
        the more pieces of the document have it, and little once it is there. What room is left goes to the earliest.
        """
        if len(document) <= max_tokens:
            return document
        asked = {self._word(token) for token in query} - {""}
        starts = [0, *range(HEAD_TOKENS, len(document), PIECE_TOKENS)]
        pieces = [document[start:end] for start, end in zip(starts, [*starts[1:], len(document)], strict=True)]
        # Sorted, because a sum of floats depends on its order.
        shared = [sorted(asked.intersection(map(self._word, piece))) for piece in pieces]
        room = max_tokens
        taken: dict[int, Sequence[int]] = {}
        for place in _iter_by_worth(shared):
            taken[place] = pieces[place][:room]
            room -= len(taken[place])
            if not room:
                break
        return [token for place in sorted(taken) for token in taken[place]]

    def _word(self, token: int) -> str:
        """What the token has in common with others of the same word; empty where it says nothing."""
        word = self._words.get(token)
        if word is None:
            text = (self._token_of(token) or "").removeprefix("##").lstrip("Ġ▁").lower()
            says = len(text) > 1 and text.isalnum() and text not in STOP_WORDS
            word = self._words[token] = singular(text) if says else ""
        return word


def _iter_by_worth(shared: Sequence[Sequence[str]]) -> Iterator[int]:
    """Yields the places of all pieces, the first one first, given the words that each shares with the query."""
    piece_frequency = Counter(word for words in shared for word in words)
    idf = {word: math.log(1 + len(shared) / count) for word, count in piece_frequency.items()}
    seen: set[str] = set()

    def worth(place: int) -> tuple[float, int]:
        return sum(idf[word] * (REPEATED if word in seen else 1.0) for word in shared[place]), -place

    best = 0
    left = {place for place, words in enumerate(shared) if words and place}
    yield best
    while left:
        seen.update(shared[best])
        best = max(left, key=worth)
        left.remove(best)
        yield best
    yield from (place for place, words in enumerate(shared) if place and not words)
