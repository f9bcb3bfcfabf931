"""What each language's sample is cut into, as readable text; and that no language goes without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from codeseek.chunkers import chunk_file
from codeseek.languages import load_languages

SAMPLES = sorted((Path(__file__).parent / "samples").iterdir())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_sample_is_golden(sample: Path, golden: Callable[[str, str], None]) -> None:
    result = chunk_file(f"src/{sample.name}", sample.read_bytes())
    lines = [f"{sample.name}: {result.language}"]
    for chunk in result.chunks:
        part = f" part {chunk.part}" if chunk.part else ""
        lines.append(
            f"\n{chunk.span.start_line}-{chunk.span.end_line} {chunk.kind} {chunk.qualified_name}{part}".rstrip()
        )
        lines.extend(f"    signature: {line}" for line in chunk.signature.splitlines())
        lines.extend(f"    documentation: {line}" for line in chunk.documentation.splitlines())
    golden(f"{sample.name}.txt", "\n".join(lines) + "\n")


def test_every_language_has_a_sample() -> None:
    languages = {chunk_file(sample.name, sample.read_bytes()).language for sample in SAMPLES}
    assert languages - {None} == set(load_languages())


@pytest.mark.parametrize("name", load_languages())
def test_sample_defines_something(name: str) -> None:
    """Each language's sample has a function with documentation, so that a query that matches nothing is seen."""
    chunks = [
        chunk
        for sample in SAMPLES
        if (result := chunk_file(sample.name, sample.read_bytes())).language == name
        for chunk in result.chunks
    ]
    assert any(chunk.kind in ("function", "method") and chunk.name and chunk.documentation for chunk in chunks)
