"""Which mined queries are worth training on: English, of a fair length, and about what the code does."""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum

__all__ = ["MIN_DOCUMENT_CHARS", "Rejection", "judge_query", "looks_english"]

MIN_WORDS, MAX_WORDS = 4, 40  # fewer words name nothing, more tell a story
KEYWORDS_MIN_WORDS = 3
MIN_ASCII_SHARE = 0.75
MIN_DOCUMENT_CHARS = 60  # of the code without its documentation: shorter functions have nothing to match

_BOILERPLATE = re.compile(
    r"""(?ix) ^(?: see\b | todo\b | fixme\b | xxx\b | hack\b | @ | \{@ | \\ | https?: | note\b | deprecated\b | inherit
    | nolint\b | eslint | pylint | noqa | type:\s | param\b | :param | returns?\W*$ | returns?\ the\ value\W*$ | =+$
    | this\ (?:file|function|method|class)\ (?:is|was)\ (?:auto|generated) | auto-?generated | generated\ by
    | (?:the\ )?(?:constructor|default\ constructor|getter|setter|destructor)\W*$ | initiali[sz]es?\ a\ new\ instance
    | (?:auto-generated\ )?method\ stub | non-javadoc )"""
)
_LICENCE = re.compile(
    r"(?i)\b(?:copyright|licen[sc]ed? under|all rights reserved|spdx-license|apache license|mit license|"
    r"gnu (?:lesser )?general public|permission is hereby granted|redistribution and use)\b"
)
_GENERATED = re.compile(r"(?i)\b(?:auto[- ]?generated|generated (?:by|from|code)|do not (?:edit|modify))\b")
_WORD = re.compile(r"[^\W\d_]+")
# The commonest short words of languages that share the Latin script.
_FUNCTION_WORDS = {
    "en": frozenset(
        "the a an of to in is are for and or if with from by on this that it be as not when at which".split()
    ),
    "de": frozenset(
        "der die das und ist ein eine einen nicht mit von zu den des wird auf für im dem oder werden".split()
    ),
    "fr": frozenset("le la les des est une un et du pour dans par sur avec que qui ne pas ce cette sont".split()),
    "es": frozenset("el la los las de que y en un una por con para se es del al no su como".split()),
    "pt": frozenset("o os as de que e em um uma por com para se do da dos das não ao como é".split()),
    "it": frozenset("il lo la gli le di che e un una per con non si del della dei è nel alla".split()),
}


class Rejection(StrEnum):
    """Why a mined query was left out."""

    LENGTH = "too short or too long"
    LANGUAGE = "not English"
    BOILERPLATE = "boilerplate"
    GENERATED = "generated"
    LICENCE = "licence text"
    REPEATED = "the same text for several functions"
    SHORT_DOCUMENT = "code too short"
    LEAK = "text still in the code"
    NEAR_DUPLICATE = "near-duplicate of another pair's code"
    NO_ANSWER = "no code at a question's lines"


def judge_query(text: str, *, min_words: int = MIN_WORDS) -> Rejection | None:
    """Why a query is left out, or None."""
    words = text.split()
    if not min_words <= len(words) <= MAX_WORDS:
        return Rejection.LENGTH
    if _LICENCE.search(text):
        return Rejection.LICENCE
    if _GENERATED.search(text):
        return Rejection.GENERATED
    if _BOILERPLATE.search(text):
        return Rejection.BOILERPLATE
    if not looks_english(text):
        return Rejection.LANGUAGE
    return None


def looks_english(text: str) -> bool:
    """Whether most characters are ASCII letters or spaces, and no other language has more of its short words in it.

    Technical phrases often hold no short word at all ("parse config file"): they count as English.
    """
    if not text or sum(char.isascii() and (char.isalpha() or char == " ") for char in text) < MIN_ASCII_SHARE * len(
        text
    ):
        return False
    found: Counter[str] = Counter()
    for word in _WORD.findall(text.lower()):
        for language, words in _FUNCTION_WORDS.items():
            found[language] += word in words
    others = max((count for language, count in found.items() if language != "en"), default=0)
    return others == 0 or found["en"] >= others
