"""What a cross-encoder reads of a document that is too long for it: its beginning, and what shares words with a query.

On token ids, so that training and serving do the same with what they have.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from codeseek.chunkers.context import STOP_WORDS, singular

__all__ = ["SOURCE_MAX_TOKENS", "Passages"]

# Read of a document to choose from: nearly all that `chunkers.context.ranker_text` gives.
SOURCE_MAX_TOKENS = 1024
# Path, name and documentation or signature come first; then pieces of about a line. Other sizes (32 and 12, 40 and 20,
# 45 and 24) differ by less than chance (benchmarks/LOG.md).
HEAD_TOKENS = 36
PIECE_TOKENS = 14
# What a word counts that an earlier piece has.
REPEATED = 0.3


class Passages:
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

        The pieces whose words of the query weigh most come in, one after the other; a word weighs less the more pieces
        of the document have it, and little once it is there. What room is left goes to the earliest.
        """
        if len(document) <= max_tokens:
            return document
        asked = {self._word(token) for token in query} - {""}
        starts = [0, *range(HEAD_TOKENS, len(document), PIECE_TOKENS)]
        pieces = [document[start:end] for start, end in zip(starts, [*starts[1:], len(document)], strict=True)]
        held = [asked.intersection(map(self._word, piece)) for piece in pieces]
        counts = Counter(word for words in held for word in words)
        weights = {word: math.log(1 + len(pieces) / count) for word, count in counts.items()}
        order, seen = [0], set(held[0])
        room = max_tokens - len(pieces[0])

        def worth(place: int) -> tuple[float, int]:
            words = sorted(held[place])  # a sum of floats depends on its order
            return sum(weights[word] * (REPEATED if word in seen else 1.0) for word in words), -place

        left = {place for place, words in enumerate(held) if words and place}
        while room > 0 and left:
            best = max(left, key=worth)
            left.remove(best)
            order.append(best)
            seen |= held[best]
            room -= len(pieces[best])
        known = set(order)
        for place, piece in enumerate(pieces):
            if room <= 0:
                break
            if place not in known:
                order.append(place)
                room -= len(piece)
        if room < 0:  # what came in last gives way
            pieces[order[-1]] = pieces[order[-1]][:room]
        return [token for place in sorted(order) for token in pieces[place]]

    def _word(self, token: int) -> str:
        """What the token has in common with others of the same word; empty where it says nothing."""
        token = int(token)
        word = self._words.get(token)
        if word is None:
            text = (self._token_of(token) or "").removeprefix("##").lstrip("Ġ▁").lower()
            says = len(text) > 1 and text.isalnum() and text not in STOP_WORDS
            word = self._words[token] = singular(text) if says else ""
        return word
