"""Named evidence about the candidates of one query, one column a signal.

Each signal is a number that a developer would give as a reason ("its name is what you typed", "it is a test"). They are
blended by `fusion.py` and shown by `--explain`; none of them knows a repository.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from codeseek.chunkers.roles import is_documentation, path_flags
from codeseek.retrievers.query import Query
from codeseek.types import Kind, StoredChunk
from codeseek.words import singular, split_identifier

SIGNALS = (
    "lexical",  # BM25, as a share of the best candidate's
    "lexical_rank",  # RANK_HALF / (RANK_HALF + rank - 1), 0 where the lexical stage did not find it
    "dense",  # cosine, scaled so that the worst candidate has 0 and the best 1
    "dense_rank",
    "cosine",  # as it is
    "coverage",  # share of the query's words, weighted by rarity, that it holds anywhere
    "definition",  # it, or for a look-up what it holds, defines an identifier of the query: 1 the last, 0.5 another
    "qualifier",  # share of the query's qualifiers (`Foo` of `Foo::bar`) among its scope and path
    "name",  # share of the query's terms, weighted by rarity, that its name holds
    "name_cover",  # share of its name's words that the query holds
    "scope",  # share of the query's terms, weighted by rarity, that the enclosing names hold
    "stem",  # the same for the file's name
    "stem_cover",  # share of the file name's words that the query holds
    "folder",  # as `stem`, for the two folders above
    "file",  # evidence of all candidates in the same file, as a share of the best file's
    "file_best",  # 1 for the best candidate of its file by `lexical` + `dense`
    "type",  # a class, struct, trait, interface, enum or module as a whole
    "code",  # outside every definition
    "text",  # prose, or a file without a grammar
    "test",
    "example",
    "legacy",
    "declaration",
    "part",  # not the first part of a long definition
    "length",  # log2 of its characters / 512, within [-2, 2]
    "learned",  # what a small network makes of those above; 0 for a symbol look-up (`network.py`)
    "path",  # what its path alone tells of how often such a file is asked for (`path_prior.py`)
)

_ENDINGS = frozenset(("s", "d", "ed", "er", "ers", "ing", "ings"))
_SEPARATORS = re.compile(r"::|[.\\]")  # inside the name of a namespace
_LEADING_MARKS = "#$"

# What a definition is worth whose name is written in another case. Chosen by hand: names that differ in case only are
# too rare in the questions to fit it.
OTHER_CASE = 0.5
RANK_HALF = 10.0  # the rank at which a list's vote has halved; unmeasured against others

_TYPES = frozenset({Kind.CLASS, Kind.STRUCT, Kind.ENUM, Kind.TRAIT, Kind.INTERFACE, Kind.TYPE, Kind.MODULE})


@lru_cache(maxsize=65536)
def path_words(path: str) -> tuple[frozenset[str], frozenset[str]]:
    """Words of the file's name without its extensions, and of the two folders above."""
    *folders, name = path.split("/")
    stem = name.lstrip(".").split(".")[0] or name
    if stem in ("index", "mod", "lib", "main", "init", "__init__") and folders:
        stem = f"{folders[-1]}"
    return _words(stem), frozenset[str]().union(*map(_words, folders[-2:]))


def same_word(a: str, b: str) -> bool:
    """Whether two words are one but for their ending: `dependency`/`dependencies`, `route`/`router`."""
    if a == b:
        return True
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    if len(short) == 3:  # `log`/`logger`, but not `for`/`format` or `use`/`user`
        return long.startswith(short) and long[3:].removeprefix(short[-1]) in _ENDINGS
    stem = short[:-1] if len(short) > 4 and short[-1] in "ey" else short
    return len(stem) >= 3 and long.startswith(stem) and len(long) - len(short) <= 4


@lru_cache(maxsize=262144)
def _held(words: frozenset[str], terms: tuple[str, ...]) -> tuple[tuple[bool, ...], float]:
    """Which of the terms the words hold, and the share of the words that the terms hold."""
    if not words:
        return (False,) * len(terms), 0.0
    held = tuple(term in words or any(same_word(term, word) for word in words) for term in terms)
    covered = sum(word in terms or any(same_word(word, term) for term in terms) for word in words)
    return held, covered / len(words)


def share_of_best(values: np.ndarray) -> np.ndarray:
    """Scales [P] so that the best has 1; all 0 where nothing is positive."""
    best = values.max(initial=0.0)
    return values / best if best > 0 else np.zeros_like(values)


def spread(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Scales [P] so that among `known` the worst has 0 and the best 1; 0 elsewhere."""
    if not known.any():
        return np.zeros_like(values)
    low, high = values[known].min(), values[known].max()
    return np.where(known, (values - low) / (high - low) if high > low else 1.0, 0.0)


def vote(ranks: np.ndarray) -> np.ndarray:
    """A ranked list's vote by 1-based rank, 0 for rank 0 (not in the list)."""
    return np.where(ranks > 0, RANK_HALF / (RANK_HALF + ranks - 1), 0.0)


def weigh(signals: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted sum of each row, whatever rows there are beside it, and in whatever order.

    A product of matrices would sum the last rows of a block otherwise than the rest, so that an updated index, which
    holds its documents in another order than a new one, would score some of them a rounding apart.

    Args:
        signals: [P, S].
        weights: [S].

    Returns:
        [P] float32.
    """
    return (signals.astype(np.float64) * weights).sum(axis=1).astype(np.float32)


def measure_signals(
    query: Query,
    rarity: np.ndarray,
    held: np.ndarray,
    chunks: Sequence[StoredChunk],
    bm25: np.ndarray,
    bm25_ranks: np.ndarray,
    cosines: np.ndarray,
    cosine_ranks: np.ndarray,
) -> np.ndarray:
    """Measures every signal of P candidates.

    Args:
        query: The parsed query.
        rarity: [W] inverse document frequency of `query.words`.
        held: [W, P] bool, whether the candidate holds the word in any field.
        chunks: P candidates.
        bm25: [P], 0 where the lexical stage did not find the candidate.
        bm25_ranks: [P] 1-based, 0 where it did not.
        cosines: [P].
        cosine_ranks: [P] 1-based, 0 where the dense stage did not find the candidate.

    Returns:
        [P, len(SIGNALS)] float32, columns as in `SIGNALS`, `learned` and `path` not yet filled.
    """
    column = {name: number for number, name in enumerate(SIGNALS)}
    values = np.zeros((len(chunks), len(SIGNALS)), dtype=np.float32)
    if not chunks:
        return values
    values[:, column["lexical"]] = share_of_best(bm25)
    values[:, column["lexical_rank"]] = vote(bm25_ranks)
    values[:, column["dense"]] = spread(cosines, cosine_ranks > 0)
    values[:, column["dense_rank"]] = vote(cosine_ranks)
    values[:, column["cosine"]] = cosines
    weights = rarity / rarity.sum() if rarity.sum() > 0 else np.zeros_like(rarity)
    values[:, column["coverage"]] = weigh(held.T, weights)
    _file_signals(values, column, chunks)
    for row, chunk in enumerate(chunks):
        values[row, column["definition"] : column["folder"] + 1] = _name_signals(query, weights, chunk)
        test, example, legacy, declaration = path_flags(chunk.path)
        if chunk.kind is not Kind.TEXT and is_documentation(chunk.path):
            example = True  # code among prose shows how something is used
        values[row, column["type"] : column["length"] + 1] = (
            chunk.kind in _TYPES,
            chunk.kind is Kind.CODE,
            chunk.kind is Kind.TEXT and "prose" not in query.asks_for,
            test and "test" not in query.asks_for,
            example and "example" not in query.asks_for,
            legacy and "legacy" not in query.asks_for,
            declaration,
            chunk.part > 0,
            min(2.0, max(-2.0, np.log2((chunk.bytes.end - chunk.bytes.start + 1) / 512))),
        )
    return values


def _file_signals(values: np.ndarray, column: dict[str, int], chunks: Sequence[StoredChunk]) -> None:
    evidence = values[:, column["lexical"]] + values[:, column["dense"]]
    files: dict[str, list[int]] = {}
    for row, chunk in enumerate(chunks):
        files.setdefault(chunk.path, []).append(row)
    totals = np.zeros(len(chunks), dtype=np.float32)
    for rows in files.values():
        totals[rows] = evidence[rows].sum()
        values[rows[int(np.argmax(evidence[rows]))], column["file_best"]] = 1.0
    values[:, column["file"]] = share_of_best(totals)


def _name_signals(query: Query, weights: np.ndarray, chunk: StoredChunk) -> tuple[float, ...]:
    """definition, qualifier, name, name_cover, scope, stem, stem_cover, folder."""
    *leading, own = _SEPARATORS.split(chunk.name) if chunk.kind in _TYPES else [chunk.name]
    defined = (own, *chunk.members) if query.is_symbol else (own,)
    definition = max(_defines(name, query) for name in defined)
    stem, folders = path_words(chunk.path)
    scope = _words(" ".join(chunk.scope))
    qualifier = 0.0
    if query.qualifiers:
        around = (
            {part.lower() for place in (*chunk.scope, *leading) for part in _SEPARATORS.split(place)}
            | stem
            | folders
            | {chunk.path.rsplit("/", 1)[-1].split(".")[0].lower()}
        )
        qualifier = sum(part in around for part in query.qualifiers) / len(query.qualifiers)
    in_name, name_cover = _held(_words(chunk.name), query.words)
    in_scope, _ = _held(scope, query.words)
    in_stem, stem_cover = _held(stem, query.words)
    in_folder, _ = _held(folders, query.words)
    return (
        definition,
        qualifier,
        float(weights @ in_name) if query.words else 0.0,
        name_cover,
        float(weights @ in_scope) if query.words else 0.0,
        float(weights @ in_stem) if query.words else 0.0,
        stem_cover,
        float(weights @ in_folder) if query.words else 0.0,
    )


def _defines(name: str, query: Query) -> float:
    """1 if the last identifier of the query means a name, 0.5 if another does; less in another case."""
    named = _named(name.lower(), query.identifiers)
    if not named:
        return 0.0
    value = 1.0 if named == query.identifiers[-1] else 0.5
    return value if name.lstrip(_LEADING_MARKS) in query.text else value * OTHER_CASE


def _named(name: str, identifiers: Sequence[str]) -> str:
    """The identifier that means a name, "" if none does; neither a question's mark nor a private name's counts."""
    for own in (name, name.lstrip(_LEADING_MARKS)):
        for identifier in (own, own + "?", own + "!"):
            if own and identifier in identifiers:
                return identifier
    return ""


@lru_cache(maxsize=262144)
def _words(text: str) -> frozenset[str]:
    return frozenset(map(singular, split_identifier(text)))
