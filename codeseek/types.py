"""Everything that crosses a module boundary, and the letters that shapes are written in.

Read this file first: it shows the whole pipeline.

    SourceFile -> Chunk -> StoredChunk -> Candidate -> Hit -> Answer

Letters, used in every docstring of the project:
    Q queries, N documents, B batch, T tokens, D dimension, K results, M hard negatives a query.

A *document* is what retrieval calls a chunk. Its *number* is its place in one index: non-negative, never reused while
the index lives, and the key of every array below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:  # numpy costs 50 ms, and `--help` reads this module
    import numpy as np

# The dual-encoder reads 64 word pieces of a query or so; a page of text is a paste that slipped.
QUERY_MAX_CHARS = 2_000

# --------------------------------------------------------------------------------------------------------------- source


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Lines of a file, 1-based and inclusive."""

    start_line: int
    end_line: int


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """Bytes of a file, 0-based and half-open."""

    start: int
    end: int


class Kind(StrEnum):
    """What a chunk defines. `code` is what lies outside every definition, `text` a window of an unparsed file."""

    FUNCTION = "function"
    METHOD = "method"
    CONSTRUCTOR = "constructor"
    CLASS = "class"
    STRUCT = "struct"
    ENUM = "enum"
    TRAIT = "trait"
    INTERFACE = "interface"
    TYPE = "type"
    MODULE = "module"
    MACRO = "macro"
    CODE = "code"
    TEXT = "text"


class SkipReason(StrEnum):
    """Why a file is not in the index. Ignored files are not walked into, so only their topmost path is counted."""

    IGNORED = "ignored"
    BINARY = "binary"
    GENERATED = "generated"
    MINIFIED = "minified"
    TOO_LARGE = "too large"
    UNREADABLE = "unreadable"
    OUTSIDE_ROOT = "link out of the root"
    SPECIAL = "not a regular file"
    CHANGED = "changed while it was read"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that is to be indexed, as the walk found it.

    `path` is relative to the root with forward slashes; bytes that are not UTF-8 appear as surrogate escapes (PEP 383).
    `modified_ns` and `changed_ns` are the file's mtime and ctime; the second tells a change that kept the first.
    """

    path: str
    absolute: Path
    size_bytes: int
    modified_ns: int
    changed_ns: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    path: str
    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A contiguous piece of one file; the chunks of a file are ordered and disjoint and cover each non-blank line.

    `text` is exactly the bytes of `bytes` decoded (UTF-8, else Latin-1). `name` is the simple name ("" for `code` and
    `text`), `scope` the names of the enclosing definitions, outermost first. `signature` is the declaration without its
    body, on one line; `documentation` the text of the comment or docstring that belongs to the definition, without
    comment marks. A definition that was split keeps name, scope and signature in each part; `part` counts from 0.
    `members` are the names of definitions in the text that are too short for chunks of their own.
    """

    path: str
    language: str | None
    kind: Kind
    name: str
    scope: tuple[str, ...]
    signature: str
    documentation: str
    span: Span
    bytes: ByteRange
    text: str
    part: int = 0
    members: tuple[str, ...] = ()

    @property
    def qualified_name(self) -> str:
        return ".".join((*self.scope, self.name)) if self.name else ".".join(self.scope)


# -------------------------------------------------------------------------------------------------------------- indexes


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as an index holds it. What the ranker reads of it is kept apart, and read only where it is needed."""

    number: int
    path: str
    language: str | None
    kind: Kind
    name: str
    scope: tuple[str, ...]
    signature: str
    span: Span
    bytes: ByteRange
    part: int
    members: tuple[str, ...] = ()

    @property
    def qualified_name(self) -> str:
        return ".".join((*self.scope, self.name)) if self.name else ".".join(self.scope)

    @property
    def definition(self) -> tuple[str, str, str]:
        """What all parts of a split definition have in common."""
        return self.path, self.qualified_name, self.signature


@dataclass(frozen=True, slots=True)
class Filters:
    """What a search is confined to; empty means everything. Applied inside retrieval, never to the top k after it.

    `globs` follow ripgrep's `-g`: the last match wins, a leading `!` excludes. `paths` are files or folders relative to
    the root.
    """

    languages: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    globs: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.languages or self.kinds or self.globs or self.paths)


class Encoder(Protocol):
    """The dual-encoder. `name` identifies model and weights: vectors of different names never meet."""

    name: str
    dimension: int

    def encode_queries(self, queries: Sequence[str]) -> np.ndarray:
        """Returns [Q, D] float32 with unit rows."""

    def encode_documents(self, documents: Sequence[str]) -> np.ndarray:
        """Returns [N, D] float32 with unit rows, in the order given."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that the first stage proposes.

    `score` is the first stage's; `stages` holds every signal that made it, by name, for `--explain` and for the blend.
    """

    number: int
    score: float
    found_by: tuple[str, ...]
    stages: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Ranker(Protocol):
    """The cross-encoder, or something that stands in for it."""

    name: str

    def rank(self, query: str, documents: Sequence[str]) -> np.ndarray:
        """Returns [N] float32, one logit of relevance a document, in the order given."""


class Progress(Protocol):
    """Called by long jobs; `total` is 0 while it is unknown."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


# -------------------------------------------------------------------------------------------------------------- answers


@dataclass(frozen=True, slots=True)
class Hit:
    """One result. `score` is a calibrated probability of relevance; `stages` is filled in full under `--explain`."""

    rank: int
    path: str
    span: Span
    language: str | None
    kind: Kind
    name: str
    score: float
    found_by: tuple[str, ...]
    stages: Mapping[str, float]
    text: str


@dataclass(frozen=True, slots=True)
class Freshness:
    """What the update before a search did, and how much of the index has vectors."""

    files: int
    chunks: int
    updated_files: int
    removed_files: int
    vectors: int

    @property
    def coverage(self) -> float:
        """Share of the chunks that have a vector, in [0, 1]; 1 for an empty index."""
        return self.vectors / self.chunks if self.chunks else 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query, with wall milliseconds by stage."""

    query_id: str
    query: str
    hits: tuple[Hit, ...]
    timings_ms: Mapping[str, float]
    searched_chunks: int
    no_good_match: bool = False


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did. Seconds are wall time by stage, `languages` counts files, `notes` says what was mended."""

    root: Path
    files: int
    chunks: int
    languages: Mapping[str, int]
    updated_files: int
    removed_files: int
    encoded: int
    skipped: tuple[Skipped, ...]
    seconds: Mapping[str, float]
    size_bytes: int
    vectors: int = 0
    notes: tuple[str, ...] = ()
