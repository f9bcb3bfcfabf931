"""Bytes to feed to the readers: samples of real code, broken in the ways that files on disk are broken."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

__all__ = ["FILES", "SAMPLES", "STEPS", "broken_code", "odd_text", "repeated_tokens"]

SAMPLES = {
    path.name: path.read_bytes() for path in sorted((Path(__file__).parent.parent / "chunkers/samples").iterdir())
}
# A name for each sample, and those that no sample has: other extensions, other cases, none at all.
FILES = (*SAMPLES, "Makefile", "a", "x.PY", "d.ts", "q.cjs", "h.hpp", "build.gradle.kts", "Rakefile", "s.sc", "i.hxx")
# Each of Unicode's odd ends: surrogates (as bytes that UTF-8 forbids), the last code points, overlong forms, marks.
ODD_BYTES = (
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff",
    b"\xef\xbf\xbd", b"\xef\xbf\xbf", b"\xf0\x9f\x98\x80", b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\xc2\x85", b"\x1b[2J",
    b"\0", b"\x7f", b"\x0b", b"\x0c", b"\x1c", b"\r", b"\r\r\n", b"\xe2\x80", b"\x80", b"\xff",
)  # fmt: skip
BRACKETS = (
    *(b"(", b"[", b"{", b"<", b"/*", b"//", b'"', b"'", b"`", b'"' * 3),
    *(b"#{", b"${", b"<<EOF\n", b"begin\n", b"do\n"),
)
TOKEN = re.compile(rb"\w+|\"\"\"|'''|[^\w\s]+|\s+")

Step = Callable[[random.Random, bytes], bytes]


def _part(random_: random.Random, data: bytes, longest: int = 400) -> tuple[int, int]:
    start = random_.randrange(len(data) + 1)
    return start, min(len(data), start + random_.randrange(longest))


def delete(random_: random.Random, data: bytes) -> bytes:
    start, end = _part(random_, data)
    return data[:start] + data[end:]


def duplicate(random_: random.Random, data: bytes) -> bytes:
    start, end = _part(random_, data)
    return data[:end] + data[start:end] * random_.choice((1, 2, 30)) + data[end:]


def move(random_: random.Random, data: bytes) -> bytes:
    start, end = _part(random_, data)
    left = data[:start] + data[end:]
    at = random_.randrange(len(left) + 1)
    return left[:at] + data[start:end] + left[at:]


def cut(random_: random.Random, data: bytes) -> bytes:
    return data[: random_.randrange(len(data) + 1)]


def flip(random_: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random_.randrange(1, 20) if changed else 0):
        changed[random_.randrange(len(changed))] = random_.randrange(256)
    return bytes(changed)


def insert_odd(random_: random.Random, data: bytes) -> bytes:
    at = random_.randrange(len(data) + 1)
    return data[:at] + random_.choice(ODD_BYTES) * random_.choice((1, 1, 3)) + data[at:]


def insert_brackets(random_: random.Random, data: bytes) -> bytes:
    at = random_.randrange(len(data) + 1)
    return data[:at] + random_.choice(BRACKETS) * random_.choice((1, 1, 40, 1500)) + data[at:]


def insert_other_language(random_: random.Random, data: bytes) -> bytes:
    at = random_.randrange(len(data) + 1)
    return data[:at] + random_.choice(list(SAMPLES.values())) + data[at:]


def nest(random_: random.Random, data: bytes) -> bytes:
    """The file inside itself, in the middle of a line or between two."""
    for _ in range(random_.choice((2, 3, 5))):
        at = random_.randrange(len(data) + 1)
        if random_.random() < 0.5:
            at = data.find(b"\n", at) + 1
        data = (data[:at] + data + data[at:])[:60_000]
    return data


def indent(random_: random.Random, data: bytes) -> bytes:
    """Each line deeper than the last, as far as the file goes."""
    step = random_.choice((b" ", b"\t"))
    return b"\n".join(step * at + line for at, line in enumerate(data.split(b"\n")))[:60_000]


def one_line(random_: random.Random, data: bytes) -> bytes:
    return data.replace(b"\n", random_.choice((b"", b" ", b"\r", b";")))


def line_ends(random_: random.Random, data: bytes) -> bytes:
    ends = (b"\r\n", b"\n\n", b" \n", b"\\\n", b"\n\0", b"\r\n", b"\x0b\n")
    return data.replace(b"\n", random_.choice(ends))


def shuffle_lines(random_: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    random_.shuffle(lines)
    return b"\n".join(lines)


def shuffle_tokens(random_: random.Random, data: bytes) -> bytes:
    start, end = _part(random_, data, 2000)
    tokens = TOKEN.findall(data[start:end])
    random_.shuffle(tokens)
    return data[:start] + b"".join(tokens) + data[end:]


def long_token(random_: random.Random, data: bytes) -> bytes:
    tokens = TOKEN.findall(data) or [b"x"]
    at = random_.randrange(len(data) + 1)
    return data[:at] + random_.choice(tokens) * random_.choice((50, 5000)) + data[at:]


def recode(random_: random.Random, data: bytes) -> bytes:
    encoding = random_.choice(("utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-7", "cp1252"))
    mark = random_.choice((b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"))
    return mark + data.decode("utf-8", "replace").encode(encoding, "replace")


STEPS: dict[str, Step] = {
    step.__name__: step
    for step in (
        delete, duplicate, move, cut, flip, insert_odd, insert_brackets, insert_other_language, nest, indent, one_line,
        line_ends, shuffle_lines, shuffle_tokens, long_token, recode,
    )
}  # fmt: skip


@st.composite
def broken_code(draw: st.DrawFn) -> tuple[str, bytes]:
    """(file name, bytes): a sample after one to four of `STEPS`, under its own name or another's."""
    sample = draw(st.sampled_from(list(SAMPLES)))
    steps = draw(st.lists(st.tuples(st.sampled_from(list(STEPS)), st.integers(0, 2**32)), min_size=1, max_size=4))
    data = SAMPLES[sample]
    for name, seed in steps:
        data = STEPS[name](random.Random(seed), data)
    return draw(st.sampled_from([sample, sample, *FILES])), data


@st.composite
def repeated_tokens(draw: st.DrawFn, size: int) -> tuple[str, bytes]:
    """(file name, bytes): a few tokens of a sample again and again, the worst that a parser can be given."""
    sample = draw(st.sampled_from(list(SAMPLES)))
    tokens = sorted(set(TOKEN.findall(SAMPLES[sample])))
    marks = [token for token in tokens if not re.match(rb"\w", token)]
    chosen = draw(st.lists(st.sampled_from(marks) | st.sampled_from(tokens), min_size=1, max_size=5))
    unit = draw(st.sampled_from([b"", b" ", b"\n"])).join(chosen) + draw(st.sampled_from([b"", b"\n"]))
    return sample, unit * (size // len(unit))


def odd_text(max_size: int = 300) -> st.SearchStrategy[str]:
    """Any text: lone surrogates, control characters, marks of order, and much of what queries and patterns hold."""
    special = st.sampled_from(list("*?[]!\\/{},-:.#()'\"<>=_ \t\r\n\0\ufeff\u202e\u2028\ud800\udcff\u0345İßſ"))
    return st.text(special | st.characters() | st.sampled_from("aZ0"), max_size=max_size)
