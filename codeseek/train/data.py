"""Training pairs, documents and rankings: read once, strictly, into arrays that are mapped from disk.

Three kinds of JSON lines:

    pairs      {"query", "document", "repository", "language", "kind", "document_id", "query_id"?, "also"?}
    documents  {"document_id", "repository", "text", "language"?}
    ranking    {"query_id", "documents": [document_id, …], "scores": [number, …], "positive_score"?: number}

A ranking holds what a retriever found for one query, best first: the pool that hard negatives come from, or a teacher's
scores. `also` lists the ids of other documents that answer the query as well. `query_id` is the 0-based row of the
pair, as a string, where the pair does not name one. The document of a pair may differ from the one indexed under its id
(its documentation removed, say): then it is a document of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codeseek.errors import DataError, FileError
from codeseek.train.flowgraph import Graph, GraphTable
from codeseek.train.tokens import Encode, TokenTable, TokenWriter

__all__ = [
    "FindGraph",
    "TrainingSet",
    "content_hash",
    "iter_json_lines",
    "load_training_set",
]

# Text and language ("" if unknown) in, the data flow out.
FindGraph = Callable[[str, str], Graph]

# 1: first; 2: `also`.
CACHE_FORMAT = 2


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Pairs in arrays; Q queries, N documents.

    Args:
        queries: Tokens of the queries.
        documents: Tokens of the documents.
        positive: [Q] int32, the row of each query's document.
        query_hash: [Q] uint64 of the query text.
        document_hash: [N] uint64 of the document text: equal texts are duplicates.
        identity: [N] int32, the same number for documents of the same id.
        repository: [N] int32, a number a repository.
        also: [K, 2] int32, rows of queries and the `identity` of a document that answers beside the positive.
        query_ids: The id of each query.
        document_ids: The id of each document; a positive that differs from the indexed text repeats its id.
        graphs: The data flow of each document, for GraphCodeBERT; None for every other model.
    """

    queries: TokenTable
    documents: TokenTable
    positive: np.ndarray
    query_hash: np.ndarray
    document_hash: np.ndarray
    identity: np.ndarray
    repository: np.ndarray
    also: np.ndarray
    query_ids: list[str]
    document_ids: list[str]
    graphs: GraphTable | None = None

    def __len__(self) -> int:
        return len(self.positive)


def content_hash(text: str) -> int:
    """64 bits of the text without its white space at both ends: equal means duplicate."""
    digest = hashlib.blake2b(text.strip().encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def iter_json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields line number (1-based) and object of each line that is not blank.

    Raises:
        FileError: If the file cannot be read.
        DataError: If a line is no JSON object.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.isspace():
                    continue
                try:
                    value = json.loads(line)
                except ValueError as error:
                    raise DataError(f"{path}:{number} is no JSON: {error}") from error
                if not isinstance(value, dict):
                    raise DataError(f"{path}:{number} holds {type(value).__name__}, wanted an object")
                yield number, value
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from error


def _text(path: Path, number: int, record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str):
        got = "nothing" if value is None else type(value).__name__
        raise DataError(f"{path}:{number} field {field!r} holds {got}, wanted a string")
    return value


def load_training_set(
    pairs: Path,
    documents: Path | None,
    encode: Encode,
    *,
    tokenizer_name: str,
    vocabulary_size: int,
    query_max_tokens: int,
    document_max_tokens: int,
    cache_dir: Path,
    find_graph: FindGraph | None = None,
) -> TrainingSet:
    """Tokenises pairs and documents, or maps what an earlier call with the same files and options left.

    Args:
        pairs: JSON lines of training pairs.
        documents: JSON lines of every document that a ranking may name; None if the pairs' own documents are all.
        encode: Tokenises a batch, without special tokens, cut to a maximum.
        tokenizer_name: Identifies the tokenizer's files by content.
        vocabulary_size: Up to 65,536 the ids are kept as uint16.
        query_max_tokens: Tokens kept of a query.
        document_max_tokens: Tokens kept of a document.
        cache_dir: A folder for the arrays; one folder below it a combination of files and options.
        find_graph: Gives the data flow of a document; its language is the record's field `language`, if it has one.

    Raises:
        FileError: If a file cannot be read.
        DataError: If a record lacks a field or there is no pair; the message names file, line and field.
    """
    options = (tokenizer_name, query_max_tokens, document_max_tokens, *(["graphs"] if find_graph else []))
    key = _cache_key(pairs, documents, *options)
    folder = cache_dir / key
    if not (folder / "set.json").exists():
        # Two runs may begin at once: each writes its own, the first to finish wins.
        partial = cache_dir / f"{key}.{os.getpid()}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            with (
                TokenWriter(partial / "queries", encode, query_max_tokens, vocabulary_size) as query_tokens,
                TokenWriter(partial / "documents", encode, document_max_tokens, vocabulary_size) as document_tokens,
            ):
                _write(partial, pairs, documents, query_tokens, _Documents(document_tokens, find_graph))
                query_tokens.close()
                document_tokens.close()
            with suppress(OSError):
                partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return _open(folder)


def _cache_key(pairs: Path, documents: Path | None, *options: object) -> str:
    parts: list[object] = [CACHE_FORMAT, *options]
    for path in (pairs, documents):
        if path is not None:
            try:
                status = path.stat()
            except OSError as error:
                raise FileError(f"cannot read {path}: {error.strerror}") from error
            parts += [str(path.resolve()), status.st_size, status.st_mtime_ns]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


class _Documents:
    """Columns of the documents, filled row by row."""

    def __init__(self, tokens: TokenWriter, find_graph: FindGraph | None) -> None:
        self._tokens, self._find_graph = tokens, find_graph
        self._rows: dict[tuple[str, int], int] = {}
        self._identities: dict[str, int] = {}
        self._repositories: dict[str, int] = {}
        self.ids: list[str] = []
        self.hashes: list[int] = []
        self.identity: list[int] = []
        self.repository: list[int] = []
        self.graphs: list[Graph] = []

    def add(self, identifier: str, repository: str, text: str, language: object) -> int:
        """Returns the row of the document, a new one unless id and text are known."""
        content = content_hash(text)
        row = self._rows.get((identifier, content))
        if row is None:
            row = self._rows[identifier, content] = self._tokens.add(text)
            self.ids.append(identifier)
            self.hashes.append(content)
            self.identity.append(self._identities.setdefault(identifier, len(self._identities)))
            self.repository.append(self._repositories.setdefault(repository, len(self._repositories)))
            if self._find_graph is not None:
                self.graphs.append(self._find_graph(text, language if isinstance(language, str) else ""))
        return row

    def identity_of(self, identifier: str) -> int | None:
        """The number of an id; None where no document has it."""
        return self._identities.get(identifier)


def _write(folder: Path, pairs: Path, documents: Path | None, query_tokens: TokenWriter, columns: _Documents) -> None:
    """Fills the writers and leaves everything but the tokens in `folder`."""
    if documents is not None:
        for number, record in iter_json_lines(documents):
            fields = [_text(documents, number, record, field) for field in ("document_id", "repository", "text")]
            columns.add(*fields, record.get("language"))
    query_ids: list[str] = []
    query_hash: list[int] = []
    positive: list[int] = []
    others: list[tuple[int, str]] = []
    for number, record in iter_json_lines(pairs):
        query = _text(pairs, number, record, "query")
        also = record.get("also", [])
        if not isinstance(also, list) or not all(isinstance(name, str) for name in also):
            raise DataError(f"{pairs}:{number} field 'also' is no list of strings")
        others += [(len(query_ids), name) for name in also]
        query_ids.append(str(record.get("query_id", len(query_ids))))
        query_hash.append(content_hash(query))
        query_tokens.add(query)
        fields = [_text(pairs, number, record, field) for field in ("document_id", "repository", "document")]
        positive.append(columns.add(*fields, record.get("language")))
    if not positive:
        raise DataError(f"{pairs} holds no pairs")
    known = [(row, number) for row, name in others if (number := columns.identity_of(name)) is not None]
    np.savez(
        folder / "arrays.npz",
        positive=np.array(positive, np.int32),
        query_hash=np.array(query_hash, np.uint64),
        document_hash=np.array(columns.hashes, np.uint64),
        identity=np.array(columns.identity, np.int32),
        repository=np.array(columns.repository, np.int32),
        also=np.array(known, np.int32).reshape(-1, 2),
    )
    if columns.graphs:
        GraphTable.of(columns.graphs).save(folder / "graphs.npz")
    names = {"query_ids": query_ids, "document_ids": columns.ids}
    (folder / "set.json").write_text(json.dumps(names), encoding="utf-8")


def _open(folder: Path) -> TrainingSet:
    names = json.loads((folder / "set.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz") as arrays:
        return TrainingSet(
            queries=TokenTable.open(folder / "queries"),
            documents=TokenTable.open(folder / "documents"),
            query_ids=names["query_ids"],
            document_ids=names["document_ids"],
            graphs=GraphTable.open(folder / "graphs.npz") if (folder / "graphs.npz").exists() else None,
            **{name: arrays[name] for name in arrays.files},
        )
