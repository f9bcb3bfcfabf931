"""Queries, configuration, ignore rules and globs: any text is read in time that its length bounds, or refused."""

from __future__ import annotations

import string
import time
from collections.abc import Callable
from typing import Any

import pytest
from fuzz.mutations import odd_text
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from codeseek.config import Config, parse_config, parse_size
from codeseek.errors import CodeseekError, ConfigError, UsageError
from codeseek.ignore import Globs, Rules
from codeseek.languages import detect_language
from codeseek.retrievers.query import parse_query
from codeseek.types import QUERY_MAX_CHARS
from codeseek.wildmatch import BRACE_EXPANSIONS_MAX, expand_braces, translate

# CPU seconds for texts of up to some thousand characters, an ignore file of which is read in milliseconds.
QUICK_S = 1.0


def profile(examples: int, *, fixed: bool = False) -> Callable:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=fixed,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def both(examples: int, many: int) -> Callable:
    """A small fixed run, and a long one of new examples under `-m slow`; the test is called with the profile."""
    return pytest.mark.parametrize(
        "examples", [profile(examples, fixed=True), pytest.param(profile(many), marks=pytest.mark.slow)]
    )


def attempt(action: Callable[[], Any], refusal: type[CodeseekError]) -> tuple[Any, CodeseekError | None]:
    """(what came of it, None), or (None, the refusal); anything else is raised."""
    try:
        return action(), None
    except refusal as error:
        return None, error


def quickly(action: Callable[[], Any], limit_s: float = QUICK_S) -> Any:
    started = time.thread_time()
    result = action()
    seconds = time.thread_time() - started
    assert seconds < limit_s, f"{seconds:.2f} s"
    return result


# A pattern of a few pieces again and again is what costs most: stars, brackets, slashes, nested braces.
PIECES = (
    *("*", "**", "**/", "/", "?", "[", "]", "[^a]", "[a-z]", "[[:alpha:]]"),
    *("{", "}", ",", "{a,b}", "\\", "!", "a", "."),
)
HARD_PATTERN = st.builds(
    lambda pieces, times: ("".join(pieces) * times)[:4_000],
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6),
    st.sampled_from([1, 2, 30, 400]),
)
PATTERN = HARD_PATTERN | odd_text(60)
PATH = st.builds(
    lambda pieces, times: ("".join(pieces) * times)[:4_000],
    st.lists(st.sampled_from(["a", "b", ".", "/", "aa", "a/"]), min_size=1, max_size=4),
    st.sampled_from([1, 3, 60, 1000]),
) | odd_text(60)


@both(25, 20_000)
def test_queries(examples: Callable) -> None:
    @examples
    @given(text=odd_text(2_500) | st.builds(lambda text, times: text * times, odd_text(8), st.integers(1, 3_000)))
    def run(text: str) -> None:
        query = quickly(lambda: parse_query(text))
        assert len(query.text) <= QUERY_MAX_CHARS
        for words in (query.terms, query.words, query.identifiers, query.qualifiers):
            assert len(set(words)) == len(words)
            assert all(words)
            assert not any(character.isspace() for word in words for character in word)
        assert not query.is_symbol or len(query.identifiers) == 1
        again = parse_query(query.text)
        assert (again.terms, again.identifiers, again.is_symbol) == (query.terms, query.identifiers, query.is_symbol)

    run()


@both(25, 20_000)
def test_ignore_rules(examples: Callable) -> None:
    @examples
    @example(["*a" * 60 + "b"], "a" * 250)
    @example(["**/a/" * 30 + "b"], "a/" * 120 + "a")
    @given(lines=st.lists(PATTERN, max_size=6), path=PATH)
    def run(lines: list[str], path: str) -> None:
        verdict = quickly(lambda: Rules(lines).check(path))
        assert verdict in (True, False, None)
        # The union that says "none matches" agrees with the rules one by one.
        single = [Rules([line]).check(path) for line in lines]
        last = next((one for one in reversed(single) if one is not None), None)
        assert verdict is last

    run()


@both(20, 10_000)
def test_globs(examples: Callable) -> None:
    @examples
    @given(patterns=st.lists(PATTERN, min_size=1, max_size=3), path=PATH)
    def run(patterns: list[str], path: str) -> None:
        # 256 expressions of 4,000 characters are compiled at worst, for a glob that only the user types.
        globs, refusal = quickly(lambda: attempt(lambda: Globs(patterns), UsageError), limit_s=10.0)
        if refusal:
            assert refusal.hint
        else:
            assert quickly(lambda: globs.matches(path), limit_s=10.0) in (True, False)

    run()


@both(20, 10_000)
def test_braces(examples: Callable) -> None:
    @examples
    @given(glob=HARD_PATTERN)
    def run(glob: str) -> None:
        expanded = quickly(lambda: expand_braces(glob))
        assert 1 <= len(expanded) <= BRACE_EXPANSIONS_MAX

    run()


@both(20, 10_000)
def test_what_a_pattern_without_magic_matches(examples: Callable) -> None:
    @examples
    @given(name=odd_text(30), other=odd_text(30))
    def run(name: str, other: str) -> None:
        # A carriage return at the end of a line is part of the line's end, as in git.
        assume(name.removesuffix("\r") == name != "" and "/" not in name and "/" not in other and name != other)
        literal = "".join(f"\\{character}" for character in name)
        assert translate(literal) is not None
        assert Rules([f"/{literal}"]).check(name) is True
        assert Rules([f"/{literal}"]).check(other) is None

    run()


KEYS = st.sampled_from([*Config.__dataclass_fields__, "limits", "Limit", "min-score", ""])
VALUES = (
    st.integers(-(2**70), 2**70).map(str)
    | st.floats().map(str)
    | odd_text(20).map(lambda text: '"' + text.replace("\\", "").replace('"', "") + '"')
    | st.sampled_from(
        ["true", "[]", "{}", "1979-05-27", "inf", "-nan", "'1M'", "'1e400'", "'nan'", "'infk'", "0x10", "'٣'"]
    )
)


@both(40, 20_000)
def test_configurations(examples: Callable) -> None:
    @examples
    @given(
        data=st.lists(st.tuples(KEYS, VALUES), max_size=3).map(
            lambda pairs: "\n".join(f"{key} = {value}" for key, value in pairs).encode("utf-8", "surrogatepass")
        )
        | st.binary(max_size=80)
        | st.sampled_from(
            [b"[" * 3_000, b"limit = " + b"[" * 3_000, b"limit = " + b"9" * 5_000, b"limit = 0x" + b"f" * 9_000]
        )
    )
    def run(data: bytes) -> None:
        config, refusal = quickly(lambda: attempt(lambda: parse_config(data, source="config.toml"), ConfigError))
        if refusal:
            assert refusal.hint
            assert "config.toml" in str(refusal)
        else:
            assert config.max_file_size is None or 0 < config.max_file_size
            assert config.min_score is None or 0 <= config.min_score <= 1

    run()


@both(30, 10_000)
def test_sizes(examples: Callable) -> None:
    @examples
    @given(text=st.text("0123456789.eEkKmMgGiIbB-+_ nanif", max_size=12) | odd_text(12))
    def run(text: str) -> None:
        try:
            size = parse_size(text)
        except ValueError:
            return
        assert isinstance(size, int)
        assert size > 0

    run()


@both(30, 10_000)
def test_language_detection(examples: Callable) -> None:
    @examples
    @given(
        name=odd_text(20) | st.text(string.ascii_letters + "./", max_size=12) | st.sampled_from(["a.h", "a.m", "a"]),
        head=st.binary(max_size=200) | st.binary(max_size=60).map(lambda data: b"#!" + data),
    )
    def run(name: str, head: bytes) -> None:
        quickly(lambda: detect_language(name, head))

    run()
