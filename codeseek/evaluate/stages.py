"""The stages of the real search over a corpus, one run and one list of latencies each.

lexical   BM25 alone
dense     the dual-encoder alone
fused     both, in the order that `codeseek search --no-rerank` gives
reranked  the same with the cross-encoder over the first `depth`
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from codeseek.cascade import DEFAULT_DEPTH, rank_pool
from codeseek.evaluate.corpus import Corpus
from codeseek.evaluate.measures import MRR_CUTOFF
from codeseek.retrievers.fusion import Blend
from codeseek.retrievers.hybrid import HybridRetriever, Pool
from codeseek.retrievers.query import parse_query
from codeseek.types import Encoder, Progress, Ranker

__all__ = ["DEFAULT_DEPTH", "CachedRanker", "Models", "Stage", "StageRun", "retrieve_pools", "run_stages"]

PROGRESS_EVERY = 10


class Stage(StrEnum):
    """In the order of the search."""

    LEXICAL = "lexical"
    DENSE = "dense"
    FUSED = "fused"
    RERANKED = "reranked"


@dataclass(frozen=True, slots=True)
class Models:
    """What a search is made of; a stage whose model is None is left out."""

    encoder: Encoder | None
    ranker: Ranker | None
    blend: Blend

    def stages(self) -> tuple[Stage, ...]:
        """The stages that these models allow."""
        chosen = [Stage.LEXICAL]
        if self.encoder is not None:
            chosen.append(Stage.DENSE)
        chosen.append(Stage.FUSED)
        if self.ranker is not None:
            chosen.append(Stage.RERANKED)
        return tuple(chosen)


@dataclass(slots=True)
class StageRun:
    """Ranked document ids and wall milliseconds by query id; the time of a stage holds that of those before it."""

    run: dict[str, list[str]] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)


class CachedRanker:
    """A ranker that remembers each (query, document): depths and blends are compared at the price of one.

    `seconds` and `read` count what was really read.
    """

    def __init__(self, ranker: Ranker) -> None:
        self.name = ranker.name
        self.seconds = 0.0
        self.read = 0
        self._ranker = ranker
        self._known: dict[tuple[str, str], float] = {}

    def rank(self, query: str, documents: Sequence[str]) -> np.ndarray:
        """As `Ranker.rank`."""
        unread = list(dict.fromkeys(text for text in documents if (query, text) not in self._known))
        if unread:
            started = time.perf_counter()
            logits = self._ranker.rank(query, unread)
            self.seconds += time.perf_counter() - started
            self.read += len(unread)
            self._known.update({(query, text): float(logit) for text, logit in zip(unread, logits, strict=True)})
        return np.array([self._known[query, text] for text in documents], np.float32)


def run_stages(
    corpus: Corpus,
    queries: Mapping[str, str],
    models: Models,
    *,
    allowed: Mapping[str, frozenset[str]] | None = None,
    depth: int = DEFAULT_DEPTH,
    progress: Progress | None = None,
) -> dict[Stage, StageRun]:
    """Answers every query by every stage.

    Args:
        corpus: What is searched.
        queries: Text by id.
        models: The encoder that the corpus was built with, the ranker and the weights.
        allowed: Confines a query to some documents; by query id.
        depth: Candidates reranked.
        progress: Told the stage "query".

    Returns:
        Runs of at most `MRR_CUTOFF` documents a query. `fused` and `reranked` end where the search's own pool ends.
    """
    runs = {stage: StageRun() for stage in models.stages()}
    retriever = HybridRetriever(corpus.index, models.blend)
    _warm_up(corpus, queries, models)
    for done, (query_id, text) in enumerate(queries.items()):
        mask = corpus.mask(None if allowed is None else allowed[query_id])
        for stage, positions, milliseconds in _answer(corpus, retriever, text, mask, models, depth):
            runs[stage].run[query_id] = [corpus.ids[position] for position in positions]
            runs[stage].milliseconds[query_id] = milliseconds
        if progress is not None and done % PROGRESS_EVERY == 0:
            progress("query", done, len(queries))
    return runs


def _warm_up(corpus: Corpus, queries: Mapping[str, str], models: Models) -> None:
    """Loads what is loaded on first use, so that no query pays for it."""
    text = next(iter(queries.values()))
    if models.encoder is not None:
        models.encoder.encode_queries([text])
    if models.ranker is not None and corpus.documents:
        models.ranker.rank(text, corpus.documents[:1])
    corpus.index.lexical.search(parse_query(text).terms, 1)


def _answer(
    corpus: Corpus, retriever: HybridRetriever, text: str, mask: np.ndarray | None, models: Models, depth: int
) -> list[tuple[Stage, np.ndarray, float]]:
    """Stage, positions and milliseconds of each stage for one query."""
    answers = []
    started = time.perf_counter()
    query = parse_query(text)
    found, _ = corpus.index.lexical.search(query.terms, MRR_CUTOFF, mask)
    answers.append((Stage.LEXICAL, found, _since(started)))
    started = time.perf_counter()
    vector = None
    encoding_ms = 0.0
    if models.encoder is not None:
        vector = models.encoder.encode_queries([query.text])[0]
        encoding_ms = _since(started)
        found, _ = corpus.index.dense.search(vector, MRR_CUTOFF, mask)
        answers.append((Stage.DENSE, found, _since(started)))
    started = time.perf_counter()
    pool = retriever.retrieve(query, vector, mask)
    fused = rank_pool(pool, models.blend, None)
    fused_ms = encoding_ms + _since(started)
    answers.append((Stage.FUSED, pool.positions[fused.rows], fused_ms))
    if models.ranker is not None:
        started = time.perf_counter()
        ranked = rank_pool(pool, models.blend, models.ranker, depth=depth)
        answers.append((Stage.RERANKED, pool.positions[ranked.rows], fused_ms + _since(started)))
    return answers


def _since(started: float) -> float:
    return 1000 * (time.perf_counter() - started)


def retrieve_pools(
    corpus: Corpus,
    queries: Mapping[str, str],
    models: Models,
    allowed: Mapping[str, frozenset[str]] | None = None,
) -> dict[str, tuple[Pool, float]]:
    """The first stage's pool of each query, and the milliseconds that it took."""
    retriever = HybridRetriever(corpus.index, models.blend)
    _warm_up(corpus, queries, Models(models.encoder, None, models.blend))
    pools = {}
    for query_id, text in queries.items():
        mask = corpus.mask(None if allowed is None else allowed[query_id])
        started = time.perf_counter()
        query = parse_query(text)
        vector = models.encoder.encode_queries([query.text])[0] if models.encoder is not None else None
        pools[query_id] = (retriever.retrieve(query, vector, mask), _since(started))
    return pools
