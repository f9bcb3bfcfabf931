"""All that a user could see of an index, to be compared with that of another."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fakes.hash_encoder import HashEncoder
from fakes.rankers import OverlapRanker

from codeseek.retrievers.fusion import Blend
from codeseek.search import Searcher
from codeseek.stores.snapshot import Index, open_index
from codeseek.types import Encoder, Filters, Kind

__all__ = ["answers", "cache_in", "hits_of", "raw_hits"]

FILTERS = (Filters(), Filters(languages=frozenset({"python"})), Filters(globs=("!d0/**",), kinds=frozenset(Kind)))


@contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    """Every index opened or built inside lies in `folder`."""
    before = os.environ.get("CODESEEK_CACHE_DIR", "")
    os.environ["CODESEEK_CACHE_DIR"] = str(folder)
    try:
        yield
    finally:
        os.environ["CODESEEK_CACHE_DIR"] = before


def raw_hits(index: Index, encoder: Encoder, query: str, depth: int, filters: Filters = Filters()) -> list[list]:
    """[lexical, dense]: path, line and exact score of each hit of one query."""
    allowed = index.allowed(filters)
    vector = encoder.encode_queries([query])[0]
    found = []
    for positions, scores in (
        index.lexical.search(query.lower().split(), depth, allowed),
        index.dense.search(vector, depth, allowed),
    ):
        chunks = index.chunks(index.numbers[positions])
        found.append([(chunk.path, chunk.span, float(score)) for chunk, score in zip(chunks, scores, strict=True)])
    return found


def hits_of(searcher: Searcher, query: str, limit: int, filters: Filters = Filters(), **options: object) -> list:
    hits = searcher.search(query, limit=limit, filters=filters, **options).hits  # type: ignore[arg-type]
    return [
        (hit.path, hit.span, hit.language, hit.kind, hit.name, hit.score, hit.found_by, dict(hit.stages), hit.text)
        for hit in hits
    ]


def answers(root: Path, queries: Sequence[str]) -> dict[str, object]:
    """By what it is: hits with scores and order, by each stage and together, and what was left out, with its reason."""
    encoder = HashEncoder()
    found: dict[str, object] = {}
    with Searcher(open_index(root, encoder.name), encoder, OverlapRanker(), Blend()) as searcher:
        index = searcher.index
        for query in queries:
            for number, filters in enumerate(FILTERS):
                found[f"{query} {number}"] = hits_of(searcher, query, 20, filters)
            found[f"{query} raw"] = raw_hits(index, encoder, query, 30)
        found["skipped"] = [(skipped.path, skipped.reason, skipped.detail) for skipped in index.skipped()]
        found["languages"] = index.files_by_language()
        found["size"] = (len(index), index.freshness.coverage, tuple(index.paths))
    return found
