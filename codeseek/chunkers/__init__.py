"""Cuts files into chunks: `chunk_file` by the syntax tree where a grammar reads the file, by lines where none does."""

from __future__ import annotations

from dataclasses import dataclass

from codeseek.types import Chunk

__all__ = ["FileChunks", "chunk_file"]


@dataclass(frozen=True, slots=True)
class FileChunks:
    """The chunks of one file, in order; together they hold each of its non-blank lines once."""

    language: str | None
    chunks: tuple[Chunk, ...]


def chunk_file(path: str, data: bytes) -> FileChunks:
    """Cuts one file into chunks. Any bytes will do; what is no valid code falls back to windows of lines.

    Args:
        path: Relative to the root, with forward slashes; goes into the chunks, and its end tells the language.
        data: The whole file.

    Raises:
        GrammarError: If the language's wheel or query is broken; never because of `data`.
    """
    # A search that has nothing to update splits words as `context` does, and needs none of these (15 ms).
    from codeseek.chunkers.lines import chunk_lines
    from codeseek.chunkers.source import Source
    from codeseek.chunkers.tree import chunk_tree
    from codeseek.languages import detect_language

    language = detect_language(path, data)
    source = Source.read(data)
    chunks = None
    if language is not None and not source.encoding.startswith("utf-16"):
        chunks = chunk_tree(path, source, language)
    if chunks is None:
        chunks = chunk_lines(path, source, language.name if language else None)
    return FileChunks(language.name if language else None, tuple(chunks))
