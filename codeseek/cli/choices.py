"""Closed sets that a user names by a word, and the nearest right word for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from codeseek.config import DEVICES, OUTPUT_FORMATS
from codeseek.errors import UsageError

__all__ = [
    "DEVICES",
    "OUTPUT_FORMATS",
    "known_kinds",
    "known_languages",
    "nearest",
    "parse_choice",
    "parse_choices",
    "parse_languages",
]


def known_kinds() -> list[str]:
    """Returns the names of the kinds of chunks, in the order of `types.Kind`."""
    from codeseek.types import Kind

    return [kind.value for kind in Kind]


def known_languages() -> list[str]:
    """Returns the names of the languages in `grammars/`, sorted."""
    from codeseek.languages import load_languages

    return sorted(load_languages())


def nearest(word: str, choices: Sequence[str]) -> str:
    """Returns the choice that `word` is most likely a slip or another form of, or "" if none is near."""
    import difflib

    word = word.lower()
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if word and not close:
        close = [name for name in choices if len(name) > 1 and (word.startswith(name) or name.startswith(word))]
    return close[0] if close else ""


def parse_choice(option: str, word: str, choices: Sequence[str]) -> str:
    """Returns `word` if it is one of `choices`.

    Raises:
        UsageError: If it is not; the hint names the nearest choice and all of them.
    """
    if word in choices:
        return word
    close = nearest(word, choices)
    listed = ", ".join(choices)
    raise UsageError(
        f"{option} is {word!r}, which is none of its values",
        hint=f"did you mean {close}? values: {listed}" if close else f"values: {listed}",
    )


def parse_choices(option: str, words: Iterable[str], choices: Sequence[str]) -> frozenset[str]:
    """As `parse_choice` for an option that may be repeated and takes comma-separated values."""
    return frozenset(
        parse_choice(option, word.strip(), choices) for value in words for word in value.split(",") if word.strip()
    )


def parse_languages(option: str, words: Iterable[str]) -> frozenset[str]:
    """As `parse_choices` for languages, which may also be named by a file extension: `py`, `hs`, `c++`.

    Raises:
        UsageError: If one is neither.
    """
    typed = [word.strip().lower() for value in words for word in value.split(",") if word.strip()]
    if not typed:
        return frozenset()
    from codeseek.languages import load_languages

    languages = load_languages()
    names = {
        extension.lstrip("."): language.name for language in languages.values() for extension in language.extensions
    }
    names |= {title.title.lower(): title.name for title in languages.values()}
    return frozenset(parse_choice(option, names.get(word, word), sorted(languages)) for word in typed)
