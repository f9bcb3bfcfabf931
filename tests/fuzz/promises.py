"""What chunking promises for any bytes, checked against the bytes alone."""

from __future__ import annotations

import re
import time

from codeseek.chunkers import chunk_file
from codeseek.chunkers.context import encoder_text, lexical_terms, ranker_text
from codeseek.chunkers.outline import NAME_MAX_CHARS, SCOPE_MAX_NAMES, SIGNATURE_MAX_CHARS
from codeseek.languages import PARSE_TIMEOUT_S
from codeseek.types import Kind

__all__ = ["allowed_s", "check_chunks"]

BLANK = b" \t\r\n\v\f\0"
# Seconds of CPU beside the limit on parsing, on a core of 2020 that is shared: ordinary code takes 0.5 s a megabyte.
GRACE_S = 1.0
GRACE_S_PER_MB = 20.0


def allowed_s(data: bytes) -> float:
    """CPU seconds that chunking `data` may take, whatever it holds."""
    return PARSE_TIMEOUT_S + GRACE_S + GRACE_S_PER_MB * len(data) / 1e6


def check_chunks(path: str, data: bytes) -> float:
    """Chunks a file and checks all that is promised of the result.

    Returns:
        CPU seconds that it took.
    """
    started = time.thread_time()
    chunked = chunk_file(path, data)
    seconds = time.thread_time() - started
    assert seconds <= allowed_s(data), f"{seconds:.2f} s for {len(data):,} bytes, allowed {allowed_s(data):.2f}"
    encoding = _encoding(data)
    lines = _lines(data, encoding)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    covered = [0] * len(lines)
    line_end, byte_end = 0, 0
    for chunk in chunked.chunks:
        first, last = chunk.span.start_line, chunk.span.end_line
        assert line_end < first <= last <= len(lines), chunk
        assert byte_end <= chunk.bytes.start < chunk.bytes.end <= len(data), chunk
        line_end, byte_end = last, chunk.bytes.end
        # Whole lines: the range begins where the first does, and lacks nothing of the last but its line break.
        assert chunk.bytes.start == starts[first - 1]
        assert data[chunk.bytes.end : starts[last]].decode(encoding) in ("", "\n", "\r\n", "\r")
        assert chunk.text == data[chunk.bytes.start : chunk.bytes.end].decode(encoding, "replace")
        for line in range(first - 1, last):
            covered[line] += 1
        assert (chunk.path, chunk.language) == (path, chunked.language)
        _check_names(chunk)
    for line, times in zip(lines, covered, strict=True):
        assert times == 1 or (times == 0 and not line.strip(BLANK)), (times, line)
    _check_parts(chunked.chunks)
    return seconds


def _check_names(chunk) -> None:
    assert len(chunk.name) <= NAME_MAX_CHARS
    assert len(chunk.scope) <= SCOPE_MAX_NAMES
    assert all(0 < len(name) <= NAME_MAX_CHARS for name in chunk.scope), chunk.scope
    assert len(chunk.signature) <= SIGNATURE_MAX_CHARS
    for text in (chunk.name, chunk.signature, *chunk.scope):
        assert not re.search(r"[\n\r]", text), text
        assert not any("\ud800" <= character <= "\udfff" for character in text), text
    if chunk.kind in (Kind.CODE, Kind.TEXT):
        assert chunk.kind is Kind.TEXT or not chunk.name
    # What is built of a chunk can be stored and read by the models, whatever it holds.
    for text in (encoder_text(chunk), ranker_text(chunk)):
        text.encode("utf-8", "surrogateescape")
    for terms in lexical_terms(chunk).values():
        assert all(terms), terms


def _check_parts(chunks) -> None:
    """The parts of a definition are numbered without a gap, in the order of their lines."""
    seen: set[tuple] = set()
    for chunk in chunks:
        # Two of one name may take turns, one inside the other.
        key = (chunk.kind, chunk.scope, chunk.name)
        assert chunk.part == 0 or (*key, chunk.part - 1) in seen, chunk
        seen.add((*key, chunk.part))


def _encoding(data: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if data.startswith(mark):
            return encoding
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _lines(data: bytes, encoding: str) -> list[bytes]:
    """Lines with their ends."""
    if encoding.startswith("utf-16"):
        units = [data[at : at + 2] for at in range(0, len(data), 2)]
        lines, line = [], b""
        for unit in units:
            line += unit
            if unit == "\n".encode(encoding):
                lines.append(line)
                line = b""
        return [*lines, line] if line else lines
    return re.findall(rb"[^\n]*\n|[^\n]+", data)
