"""From repositories to training data: queries with the functions that answer them, and what the real retriever finds.

Queries come from documentation, commits, tests, and from files of written questions.

A repository is read once. A share of its documented definitions is served without documentation, and only those are
the targets of queries made from documentation: the others keep theirs, so that a model cannot learn that the right
answer is the one without a comment. The retriever then searches that very corpus, so positives and negatives are
comparable.

    DIR/train/ DIR/dev/   pairs.jsonl  documents.jsonl  ranking.jsonl   as `train.data` reads them; split by repository
    DIR/report.json       what was mined and left out, by repository and reason
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from codeseek.chunkers import chunk_file
from codeseek.chunkers.context import encoder_text, ranker_text
from codeseek.chunkers.roles import path_flags
from codeseek.errors import DataError, FileError
from codeseek.evaluate.corpus import Corpus, open_corpus
from codeseek.files import read_file, walk
from codeseek.retrievers.fusion import Blend
from codeseek.retrievers.hybrid import HybridRetriever
from codeseek.retrievers.query import parse_query
from codeseek.train.commit_queries import MAX_COMMITS, iter_commits, mine_commits
from codeseek.train.documentation_queries import MinedQuery, mine_documentation
from codeseek.train.exclusions import Exclusions, RepositoryName, check_allowed
from codeseek.train.mining_filters import Rejection
from codeseek.train.near_duplicates import NearDuplicates
from codeseek.train.tested_functions import mine_tests
from codeseek.train.undocumented import without_documentation
from codeseek.train.written_queries import Question, match_questions
from codeseek.types import Chunk, Encoder, Progress, Skipped

__all__ = ["MiningOptions", "MiningReport", "Reader", "mine_queries", "mine_repositories", "read_repository"]

Files = dict[str, list[tuple[str, Chunk]]]


class Reader(StrEnum):
    """Which model reads the documents: the dual-encoder's text holds no path."""

    CROSS = "cross"
    DUAL = "dual"


KINDS = ("documentation", "commit", "test")
WRITTEN_KINDS = ("question", "symbol")


@dataclass(frozen=True, slots=True)
class MiningOptions:
    """Args:
    kinds: Sources of queries, of `KINDS`.
    variants: Also mine documentation without the function's name, and as keywords.
    bare_share: Share of the documented definitions that are served without their documentation.
    depth: Documents kept of each ranking.
    dev_share: Share of the repositories that go into the development split.
    max_pairs: Of one repository, beside written questions; 0 for all. Drawn evenly: no repository fills the set.
    max_chunks: Of one repository; 0 for all. Whole files, drawn evenly after those that questions ask for.
    max_commits: Newest commits read.
    reader: Whose text is written.
    seed: Of what is drawn.
    """

    kinds: tuple[str, ...] = KINDS
    variants: bool = True
    bare_share: float = 0.75
    depth: int = 60
    dev_share: float = 0.1
    max_pairs: int = 0
    max_chunks: int = 0
    max_commits: int = MAX_COMMITS
    reader: Reader = Reader.CROSS
    seed: int = 0


@dataclass(slots=True)
class MiningReport:
    """Counts, by repository and in all; `refused` holds why a repository was not mined."""

    repositories: dict[str, dict[str, Any]] = field(default_factory=dict)
    pairs: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "pairs": dict(self.pairs),
            "kinds": dict(self.kinds.most_common()),
            "rejected": dict(self.rejected.most_common()),
            "repositories": self.repositories,
        }


def draw(seed: int, text: str) -> float:
    """A number in [0, 1) that depends on seed and text alone, so that a rerun draws the same."""
    digest = hashlib.blake2b(f"{seed}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64


def read_repository(root: Path, *, max_chunks: int = 0, seed: int = 0, wanted: Collection[str] = ()) -> Files:
    """The chunks of a repository by path, each with its id `path:first-last`; copies of others' code are left out.

    Args:
        root: The checkout.
        max_chunks: Stop after the file that reaches them; 0 for all.
        seed: Of the order in which files are drawn.
        wanted: Paths that come first, all of them.

    Raises:
        FileError: If the root cannot be read.
    """
    found = [entry for entry in walk(root) if not isinstance(entry, Skipped) and not path_flags(entry.path)[2]]
    if max_chunks:
        found.sort(key=lambda entry: (entry.path not in wanted, draw(seed, entry.path)))
    files: Files = {}
    count = 0
    for entry in found:
        if max_chunks and count >= max_chunks and entry.path not in wanted:
            break
        data = read_file(entry)
        if isinstance(data, Skipped):
            continue
        try:
            chunks = chunk_file(entry.path, data).chunks
        except (RecursionError, MemoryError):  # a bound of the parser that a hostile file may reach
            continue
        files[entry.path] = [(f"{entry.path}:{chunk.span.start_line}-{chunk.span.end_line}", chunk) for chunk in chunks]
        count += len(chunks)
    return dict(sorted(files.items()))


def mine_queries(
    root: Path,
    files: Files,
    options: MiningOptions,
    rejected: Counter[Rejection],
    questions: Sequence[Question] = (),
) -> list[MinedQuery]:
    """All queries that a repository gives, those from documentation for every documented definition."""
    chunks = [entry for entries in files.values() for entry in entries]
    queries = list(match_questions(questions, files, rejected))
    if "documentation" in options.kinds:
        queries += mine_documentation(chunks, rejected, variants=options.variants)
    if "commit" in options.kinds:
        queries += mine_commits(iter_commits(root, options.max_commits), files, rejected)
    if "test" in options.kinds:
        queries += mine_tests(chunks, rejected)
    return queries


def mine_repositories(
    roots: Sequence[Path],
    out: Path,
    encoder: Encoder | None,
    options: MiningOptions,
    exclusions: Exclusions,
    *,
    questions: Mapping[str, Sequence[Question]] | None = None,
    blend: Blend | None = None,
    progress: Progress | None = None,
) -> MiningReport:
    """Mines repositories one after the other and writes the splits.

    Args:
        roots: Checkouts; history is read where there is a `.git`.
        out: Made; files of an earlier run are replaced when this one is complete.
        encoder: Of the hybrid retriever that finds the negatives; None for words alone.
        options: What to mine.
        exclusions: Enforced before anything is read.
        questions: Written ones by repository, as `load_questions` returns them.
        blend: The retriever's weights.
        progress: Told the stages "repository", and those of building an index.

    Raises:
        UsageError: If a repository is excluded; nothing is written then.
        DataError: If nothing was mined.
        FileError: If `out` cannot be written.
    """
    names = [check_allowed(root, exclusions) for root in roots]
    # Development repositories first: of near-duplicates the first is kept, and the training split has more to lose.
    order = sorted(range(len(roots)), key=lambda at: (not _is_dev(names[at], options), names[at].full, str(roots[at])))
    report, duplicates = MiningReport(), NearDuplicates()
    written: dict[str, list[Question]] = {}
    for name, asked in (questions or {}).items():
        written.setdefault(name.replace("+", "/", 1).lower(), []).extend(asked)
    try:
        with ExitStack() as stack:
            splits = {split: _Split(stack, out / split) for split in ("dev", "train")}
            for done, at in enumerate(order):
                if progress is not None:
                    progress("repository", done, len(roots))
                split = "dev" if _is_dev(names[at], options) else "train"
                identity = names[at].full if len({name.full for name in names}) == len(names) else str(roots[at])
                miner = _Miner(identity, encoder, blend or Blend(), options, duplicates, progress)
                facts = miner.mine(roots[at], written.get(names[at].full, ()), splits[split])
                report.repositories[identity] = facts | {"split": split}
                report.pairs[split] += facts["pairs"]
                report.kinds.update(facts["kinds"])
                report.rejected.update(facts["rejected"])
        if not sum(report.pairs.values()):
            raise DataError(
                f"nothing was mined from {len(roots)} repositories",
                hint="they hold no documented code in a known language",
            )
        for split in splits.values():
            split.switch()
        (out / "report.json").write_text(json.dumps(report.record(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot write {out}: {error.strerror or error}") from error
    return report


def _is_dev(name: RepositoryName, options: MiningOptions) -> bool:
    return draw(0, name.full) < options.dev_share


class _Split:
    """The three files of a split, written beside their places."""

    NAMES = ("pairs", "documents", "ranking")

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files: dict[str, TextIO] = {
            name: stack.enter_context((folder / f"{name}.partial").open("w", encoding="utf-8")) for name in self.NAMES
        }
        self.queries = 0

    def write(self, name: str, record: Mapping[str, Any]) -> None:
        self._files[name].write(json.dumps(record, ensure_ascii=True) + "\n")

    def switch(self) -> None:
        """Puts the complete files in place; an empty split leaves none."""
        for name in self.NAMES:
            partial, target = self._folder / f"{name}.partial", self._folder / f"{name}.jsonl"
            if self.queries:
                partial.replace(target)
            else:
                partial.unlink(missing_ok=True)
                target.unlink(missing_ok=True)


class _Miner:
    """Mines one repository."""

    def __init__(
        self,
        name: str,
        encoder: Encoder | None,
        blend: Blend,
        options: MiningOptions,
        duplicates: NearDuplicates,
        progress: Progress | None,
    ) -> None:
        self._name = name
        self._encoder = encoder
        self._blend = blend
        self._options = options
        self._duplicates = duplicates
        self._progress = progress
        self._rejected: Counter[Rejection] = Counter()

    def mine(self, root: Path, questions: Sequence[Question], split: _Split) -> dict[str, Any]:
        """Writes the pairs, documents and rankings of one repository; returns its counts."""
        options = self._options
        wanted = frozenset(path for question in questions for path in (question.path, *question.also))
        files = read_repository(root, max_chunks=options.max_chunks, seed=options.seed, wanted=wanted)
        queries = mine_queries(root, files, options, self._rejected, questions)
        bare = {
            query.targets[0]
            for query in queries
            if query.kind == "documentation" and draw(options.seed, query.targets[0]) < options.bare_share
        }
        served = {
            path: [(name, without_documentation(chunk) if name in bare else chunk) for name, chunk in entries]
            for path, entries in files.items()
        }
        chunks = dict(entry for entries in served.values() for entry in entries)
        documents = {name: self._read(chunk) for name, chunk in chunks.items()}
        kept = self._keep(queries, bare, documents)
        if kept:
            self._write(kept, served, chunks, documents, split)
        return {
            "files": len(files),
            "chunks": len(chunks),
            "pairs": len(kept),
            "kinds": dict(Counter(query.kind for query in kept)),
            "rejected": {reason.value: count for reason, count in self._rejected.most_common()},
        }

    def _read(self, chunk: Chunk) -> str:
        return encoder_text(chunk) if self._options.reader is Reader.DUAL else ranker_text(chunk)

    def _keep(self, queries: Sequence[MinedQuery], bare: set[str], documents: Mapping[str, str]) -> list[MinedQuery]:
        """The queries to write: of bare documents where they come from documentation, one of near-duplicate targets."""
        written = [query for query in queries if query.kind in WRITTEN_KINDS]
        usable = [
            query
            for query in queries
            if query.kind in ("commit", "test") or (query.kind not in WRITTEN_KINDS and query.targets[0] in bare)
        ]
        if self._options.max_pairs and len(usable) > self._options.max_pairs:
            usable.sort(key=lambda query: draw(self._options.seed, f"{query.kind}\0{query.text}"))
            usable = usable[: self._options.max_pairs]
        fresh: dict[str, bool] = {}
        kept = []
        for query in written + usable:
            target = query.targets[0]
            if target not in fresh:
                fresh[target] = not self._duplicates.add(documents[target])
            if fresh[target]:
                kept.append(query)
            else:
                self._rejected[Rejection.NEAR_DUPLICATE] += 1
        return kept

    def _write(
        self, queries: Sequence[MinedQuery], served: Files, chunks: Mapping[str, Chunk], documents: Mapping[str, str],
        split: _Split,
    ) -> None:  # fmt: skip
        for name, text in documents.items():
            document = {"document_id": self._id(name), "repository": self._name, "text": text}
            split.write("documents", document | {"language": chunks[name].language or ""})
        with open_corpus(served, self._encoder, progress=self._progress) as corpus:
            rankings = self._rankings(corpus, queries)
            for query, (target, ranking) in zip(queries, rankings, strict=True):
                query_id = f"{split.queries}"
                split.queries += 1
                split.write(
                    "pairs",
                    {
                        "query": query.text,
                        "document": documents[target],
                        "repository": self._name,
                        "language": chunks[target].language,
                        "kind": query.kind,
                        "document_id": self._id(target),
                        "query_id": query_id,
                        "also": [self._id(name) for name in query.targets if name != target],
                    },
                )
                split.write("ranking", {"query_id": query_id} | ranking)

    def _rankings(self, corpus: Corpus, queries: Sequence[MinedQuery]) -> list[tuple[str, dict[str, Any]]]:
        """The positive of each query, and what the hybrid retriever finds in this repository without further targets.

        Of the chunks that answer a written question equally well, the positive is the one that is found first.
        """
        retriever = HybridRetriever(corpus.index, self._blend)
        parsed = [parse_query(query.text) for query in queries]
        vectors: Sequence[np.ndarray | None] = [None] * len(queries)
        if self._encoder is not None:
            vectors = list(self._encoder.encode_queries([query.text for query in parsed]))
        rankings = []
        for query, question, vector in zip(queries, parsed, vectors, strict=True):
            pool = retriever.retrieve(question, vector)
            found = [corpus.ids[position] for position in pool.positions]
            target = query.targets[0]
            if query.kind in WRITTEN_KINDS:
                target = next((name for name in found if name in query.targets), target)
            also_right = set(query.targets) - {target}
            names, scores = [], []
            record: dict[str, Any] = {}
            for name, score in zip(found, pool.scores, strict=True):
                if name == target:
                    record["positive_score"] = round(float(score), 4)
                if name not in also_right and len(names) < self._options.depth:
                    names.append(self._id(name))
                    scores.append(round(float(score), 4))
            rankings.append((target, {"documents": names, "scores": scores} | record))
        return rankings

    def _id(self, name: str) -> str:
        return f"{self._name}:{name}"
