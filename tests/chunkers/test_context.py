"""What models and the lexical index read: budgets, splitting, one rule for documents and queries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.chunkers import chunk_file
from codeseek.chunkers.comments import strip_marks
from codeseek.chunkers.context import (
    ASIDE_MAX_CHARS,
    ENCODER_MAX_CHARS,
    PATH_MAX_CHARS,
    RANKER_MAX_CHARS,
    encoder_part,
    encoder_text,
    lexical_terms,
    ranker_text,
)
from codeseek.types import Chunk

SOURCE = b'''class HTTPClient:
    def sendRequest(self, url, max_retries=3):
        """Sends one request. Retries on timeouts."""

        for attempt in range(max_retries):
            connect(url)
'''


@pytest.fixture
def method() -> Chunk:
    return chunk_file("src/net/http_client.py", SOURCE).chunks[1]


def test_encoder_text(method: Chunk) -> None:
    assert encoder_text(method) == (
        "method HTTPClient.sendRequest: http client send request\n"
        "Sends one request. Retries on timeouts.\n"
        "def sendRequest(self, url, max_retries=3):\n"
        "for attempt in range(max_retries):\n"
        "connect(url)"
    )


def test_ranker_text_adds_the_path(method: Chunk) -> None:
    assert ranker_text(method) == "src net http client py\n" + encoder_text(method)


def test_moved_file_reads_the_same() -> None:
    first, second = (chunk_file(path, SOURCE).chunks[1] for path in ("a.py", "b/c.py"))
    assert encoder_text(first) == encoder_text(second)
    assert ranker_text(first) != ranker_text(second)


@pytest.mark.parametrize("path", ["tests/test_a.py", "examples/a.py", "vendor/a.py", "guide.md"])
def test_what_is_aside_is_cut_for_the_encoder_alone(path: str) -> None:
    words = " ".join(f"word{number}" for number in range(200))
    text = f"def handle():\n    return '{words}'\n" if path.endswith(".py") else words
    (aside,), (chunk,) = chunk_file(path, text.encode()).chunks, chunk_file("src/a.py", text.encode()).chunks
    full = ranker_text(aside).partition("\n")[2]
    assert len(full) > ENCODER_MAX_CHARS
    if path.endswith(".py"):
        assert encoder_text(chunk) == full[:ENCODER_MAX_CHARS]
    assert encoder_text(aside) == full[:ASIDE_MAX_CHARS]
    assert encoder_part(ranker_text(aside), aside.kind, aside.path) == encoder_text(aside)


def test_later_parts_keep_the_signature() -> None:
    body = "".join(f"    call_number_{number}(argument)\n" for number in range(200))
    chunks = chunk_file("a.py", f"def long_one(argument):\n{body}".encode()).chunks
    assert len(chunks) > 1
    assert all("def long_one(argument)" in encoder_text(chunk) for chunk in chunks)


@settings(max_examples=20, deadline=None)
@given(text=st.text(max_size=5000), path=st.text(max_size=300))
def test_budgets(text: str, path: str) -> None:
    for chunk in chunk_file("a.py", text.encode("utf-8", "surrogatepass")).chunks:
        assert len(encoder_text(chunk)) <= ENCODER_MAX_CHARS
        assert len(ranker_text(chunk)) <= RANKER_MAX_CHARS + PATH_MAX_CHARS + 1
        assert all(term == term.lower() for terms in lexical_terms(chunk).values() for term in terms)


def test_lexical_terms(method: Chunk) -> None:
    terms = lexical_terms(method)
    assert terms["path"] == ["src", "net", "httpclient", "http", "client", "py"]
    assert terms["name"] == ["sendrequest", "send", "request"]
    assert terms["scope"] == ["httpclient", "http", "client"]
    assert "maxretries" in terms["signature"]
    assert terms["documentation"] == ["send", "one", "request", "retry", "on", "timeout"]
    assert "attempt" in terms["body"]
    assert "timeout" not in terms["body"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("/// Says.", "Says."),
        (" * @param x", "@param x"),
        ("/** Says. */", "Says."),
        ("# Says.", "Says."),
        ("-- | Says.", "Says."),
        ("(** Says. *)", "Says."),
        ("{- Says. -}", "Says."),
        ('    """Says."""', "Says."),
        ('  @doc """', ""),
        ("// ---------", ""),
        (" **bold** text", "**bold** text"),
        ('say "hi"', 'say "hi"'),
    ],
)
def test_comment_marks(line: str, text: str) -> None:
    assert strip_marks(line) == text
