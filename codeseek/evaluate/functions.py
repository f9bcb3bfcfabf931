"""One function of a data set as the chunk that an index would hold of it."""

from __future__ import annotations

import re
import textwrap

from codeseek.chunkers import chunk_file
from codeseek.languages import load_languages
from codeseek.train.undocumented import without_documentation
from codeseek.types import ByteRange, Chunk, Kind, Span

__all__ = ["function_chunk"]

_CALLABLES = (Kind.FUNCTION, Kind.METHOD, Kind.CONSTRUCTOR)
_HOLDER = "Holder"
# What a function out of its file needs around it to parse, in the order tried.
_CLASS = (f"class {_HOLDER} {{\n", "\n}")
_AROUND: dict[str, tuple[tuple[str, str], ...]] = {
    "php": (("<?php\n", ""), (f"<?php\nclass {_HOLDER} {{\n", "\n}")),
    "java": (("", ""), _CLASS),
    "javascript": (("", ""), (f"const {_HOLDER} = ", ""), _CLASS, (f"const {_HOLDER} = {{\n", "\n}")),
}


def function_chunk(path: str, language: str, code: str, *, documented: bool) -> Chunk:
    """The whole of `code` as one chunk, with the name, signature and documentation that its syntax gives.

    Args:
        path: Goes into the chunk.
        language: A name of `grammars/`; another one gives a chunk without name.
        code: One function, complete.
        documented: False takes its documentation out.
    """
    found = None
    source = textwrap.dedent(code)
    if language in load_languages():
        extension = load_languages()[language].extensions[0]
        for before, after in _AROUND.get(language, (("", ""),)):
            found = _first_callable(chunk_file(f"function{extension}", (before + source + after).encode()).chunks)
            if found is not None:
                break
    name = found.name if found is not None and found.name != _HOLDER else ""
    chunk = Chunk(
        path=path,
        language=language,
        kind=found.kind if found is not None else Kind.CODE,
        name=name,
        scope=tuple(part for part in found.scope if part != _HOLDER) if found is not None else (),
        signature=re.sub(rf"^const {_HOLDER} = ", "", found.signature) if found is not None else "",
        documentation=found.documentation if found is not None else "",
        span=Span(1, code.count("\n") + 1),
        bytes=ByteRange(0, len(code.encode("utf-8", "surrogatepass"))),
        text=source,
    )
    return chunk if documented else without_documentation(chunk)


def _first_callable(chunks: tuple[Chunk, ...]) -> Chunk | None:
    return next((chunk for chunk in chunks if chunk.kind in _CALLABLES and chunk.part == 0), None)
