"""Broken code in every language: no exception, no crash, no hang, and all that chunks promise."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from fuzz.isolated import Isolated
from fuzz.mutations import FILES, SAMPLES, STEPS, broken_code, repeated_tokens
from fuzz.promises import allowed_s, check_chunks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeseek.languages import load_languages
from codeseek.words import _identifier_terms, query_terms


def profile(examples: int, *, fixed: bool = False) -> Callable:
    """`fixed` examples make the default run the same each time; the slow one looks for new ones."""
    unchecked = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=examples, deadline=None, derandomize=fixed, database=None, suppress_health_check=unchecked
    )


def check_encoded(path: str, data: str) -> float:
    """`check_chunks` for the child, which is handed JSON."""
    return check_chunks(path, base64.b64decode(data))


def check_isolated(child: Isolated, path: str, data: bytes) -> None:
    # Wall time, and the child shares its core: the bound on CPU time is checked inside.
    child.call("check_encoded", path, base64.b64encode(data).decode(), limit_s=30 + 4 * allowed_s(data))


def test_every_language_and_step_is_there() -> None:
    suffixes = {name.rpartition(".")[2] for name in SAMPLES}
    missing = [
        language.name
        for language in load_languages().values()
        if not suffixes & {extension.removeprefix(".") for extension in language.extensions}
    ]
    assert missing == []
    assert len(STEPS) == 16


@profile(20, fixed=True)
@given(case=broken_code())
def test_broken_code(case: tuple[str, bytes]) -> None:
    check_chunks(*case)


@profile(30, fixed=True)
@given(path=st.sampled_from(FILES), data=st.binary(max_size=300))
def test_random_bytes(path: str, data: bytes) -> None:
    check_chunks(path, data)


@profile(8, fixed=True)
@given(case=repeated_tokens(2000))
def test_repeated_tokens(case: tuple[str, bytes]) -> None:
    check_chunks(*case)


# What took seconds to hours before, each because time grew with the square of something, or worse.
BOMBS = {
    "deep trees": ("a.ex", b"." * 30_000),
    "rules before code": ("a.lua", b"----\n" * 13 + b"foo()\n"),
    "headings with spaces": ("a.md", (b"# a" + b" " * 390 + b"x\n") * 100),
    "a line of stars": ("a.py", b'def f():\n    """Says."""\n    s = "' + b"*" * 60_000 + b'" #\n'),
    "comments on one line": ("a.c", b"\n" + b";/**/" * 15_000 + b"\n"),
    "numbers on one line": ("a.js", b"\n" * 9 + b"x = [" + b"1," * 30_000 + b"]\n"),
    "blank lines below blocks": (
        "a.py",
        b"".join(b" " * n + b"def f():\n" for n in range(200)) + b"\n" * 100_000 + b"x\n",
    ),
    "tags in documentation": ("a.cs", b"/// <" + b'name="' * 1_300 + b"\nclass A {\n}\n"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_time_bombs(name: str) -> None:
    path, data = BOMBS[name]
    assert check_chunks(path, data) < 2.0


def test_long_words_are_not_kept() -> None:
    """A cache of 131,072 words of a megabyte would be one of 128 GB."""
    before = _identifier_terms.cache_info().misses
    assert query_terms("y" * 100_000) == []
    assert _identifier_terms.cache_info().misses == before


@pytest.mark.slow
def test_much_broken_code() -> None:
    with Isolated(__name__) as child:

        @profile(4_000)
        @given(case=broken_code())
        def run(case: tuple[str, bytes]) -> None:
            check_isolated(child, *case)

        run()


@pytest.mark.slow
@pytest.mark.parametrize("size", [20_000, 300_000])
def test_many_repeated_tokens(size: int) -> None:
    with Isolated(__name__) as child:

        @profile(20_000_000 // size)
        @given(case=repeated_tokens(size))
        def run(case: tuple[str, bytes]) -> None:
            check_isolated(child, *case)

        run()


@pytest.mark.slow
@profile(3_000)
@given(path=st.sampled_from(FILES), data=st.binary(max_size=3_000))
def test_many_random_bytes(path: str, data: bytes) -> None:
    check_chunks(path, data)
