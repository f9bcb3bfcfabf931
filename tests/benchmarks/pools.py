"""Records the pools of judged queries: every signal of every candidate, and which of them answer.

    python tests/benchmarks/pools.py SET --repos CHECKOUTS --shared ../shared --out pools/SET.npz [--ranked N]
        [--foreign N] [--questions FILE ...] [--max-chunks N]
        [--only NAME ...] [--skip NAME ...]

SET is `repos_dev` (files answer), `dev` or `train` (functions answer; ../shared/questions, and --questions), `cosqa` or
`csn99` (functions without a repository around them; needs no checkouts). What `fit_blend.py` and `fit_network.py` fit
and measure, so that a weight can be tried without searching again. --max-chunks takes the files that are asked about,
and others up to that number of chunks.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from codeseek.evaluate.corpus import open_corpus
from codeseek.evaluate.datasets import load_dataset
from codeseek.evaluate.models import load_models
from codeseek.evaluate.stages import retrieve_pools
from codeseek.retrievers.fusion import Blend, order_without_crowding
from codeseek.retrievers.hybrid import Pool
from codeseek.retrievers.query import parse_query
from codeseek.search import Searcher, open_searcher
from codeseek.train.mining import read_repository
from codeseek.types import Ranker, StoredChunk

FUNCTION_SETS = ("cosqa", "csn99")
WHOLE_FILE_STYLE = "file"
SAMPLE_TOP = 60
FOLDS = 5


@dataclass(frozen=True)
class Judged:
    """A query and its targets: (path, first line, last line), lines 0 for a whole file."""

    query: str
    group: str
    targets: list[tuple[str, int, int]]


def load_repos_dev(shared: Path, repos: Path) -> Iterator[tuple[str, str, Path, list[Judged]]]:
    folder = shared / "bench" / "repos_dev"
    for spec in json.loads((folder / "repos.json").read_text()):
        root = repos / spec["name"] / (spec.get("benchmark_root") or "")
        tasks = json.loads((folder / "annotations" / f"{spec['name']}.json").read_text())
        judged = []
        for task in tasks:
            targets = []
            for target in [*task.get("relevant", []), *task.get("secondary", [])]:
                if isinstance(target, str):
                    targets.append((target, 0, 0))
                else:
                    targets.append((target["path"], target.get("start_line") or 0, target.get("end_line") or 0))
            judged.append(Judged(task["query"], task.get("category") or "semantic", targets))
        yield spec["name"], spec["language"], root, judged


def load_questions(files: list[Path], repos: Path) -> Iterator[tuple[str, str, Path, list[Judged]]]:
    by_repository: dict[str, list[Judged]] = defaultdict(list)
    for line in (line for file in files for line in file.read_text().splitlines()):
        repository, path, span, _, style, question = line.split("\t")
        start, end = map(int, span.split("-")) if style != WHOLE_FILE_STYLE else (0, 0)
        by_repository[repository].append(Judged(question, style, [(path, start, end)]))
    for repository, judged in sorted(by_repository.items()):
        yield repository, repository, repos / repository, judged


def record_functions(shared: Path, dataset: str, ranked: int) -> Iterator[tuple[list, dict[str, np.ndarray]]]:
    """The pools of a data set's first or averaged parts; folds are made of every fifth query."""
    loaded = load_dataset(dataset, shared / "bench" / f"{dataset}_dev", "valid")
    models = load_models(None, None, "auto")
    models = replace(models, blend=models.blend.for_loose_functions())
    for part in loaded.parts if loaded.averaged else loaded.parts[:1]:
        files = {f"{number:08d}": [entry] for number, entry in enumerate(part.documents.items())}
        with open_corpus(files, models.encoder, pathless=True) as corpus:
            pools = retrieve_pools(corpus, part.queries, models, part.allowed)
            for number, (name, (pool, _)) in enumerate(pools.items()):
                wanted = {name for name, gain in part.qrels[name].items() if gain > 0}
                covered = np.array([[corpus.ids[at] in wanted] for at in pool.positions], bool).reshape(len(pool), 1)
                query = part.queries[name]
                described = [part.name, f"{dataset}{number % FOLDS}", part.name, query, len(wanted), False, number]
                yield described, fields(pool, covered, models.blend, models.ranker, ranked)


def answers(chunk: StoredChunk, target: tuple[str, int, int]) -> bool:
    path, start, end = target
    same = chunk.path == path or chunk.path.endswith(f"/{path}") or path.endswith(f"/{chunk.path}")
    return same and (not start or (chunk.span.start_line <= end and chunk.span.end_line >= start))


def record(searcher: Searcher, judged: Judged, targets_max: int, ranked: int) -> dict[str, np.ndarray]:
    pool = searcher.retrieve(judged.query)
    covered = np.array(
        [[answers(chunk, target) for target in judged.targets[:targets_max]] for chunk in pool.chunks], dtype=bool
    ).reshape(len(pool), len(judged.targets[:targets_max]))
    return fields(pool, covered, searcher.blend, searcher.ranker, ranked)


def record_sample(root: Path, judged: list[Judged], max_chunks: int) -> Iterator[dict[str, np.ndarray]]:
    """The pools over the files that are asked about and some others, the best `SAMPLE_TOP` of each."""
    models = load_models(None, None, "auto")
    wanted = frozenset(path for one in judged for path, *_ in one.targets)
    files = read_repository(root, max_chunks=max_chunks, wanted=wanted)
    with open_corpus(files, models.encoder) as corpus:
        queries = {str(number): one.query for number, one in enumerate(judged)}
        for one, (pool, _) in zip(judged, retrieve_pools(corpus, queries, models, None).values(), strict=True):
            covered = [[answers(chunk, target) for target in one.targets] for chunk in pool.chunks]
            found = fields(pool, np.array(covered, bool).reshape(len(pool), -1), models.blend, None, 0)
            yield {name: values[:SAMPLE_TOP] for name, values in found.items()}


def fields(pool: Pool, covered: np.ndarray, blend: Blend, ranker: Ranker | None, ranked: int) -> dict[str, np.ndarray]:
    files = {path: number for number, path in enumerate(dict.fromkeys(chunk.path for chunk in pool.chunks))}
    logits = np.full(len(pool), np.nan, np.float32)
    if ranked and len(pool):
        paths = [chunk.path for chunk in pool.chunks]
        crowding = blend.crowding_of(pool.query)
        rows = [row for row, _ in order_without_crowding(pool.scores, paths, crowding)[:ranked]]
        logits[rows] = ranker.rank(pool.query.text, pool.documents(rows))
    return {
        "signals": pool.signals.astype(np.float32),
        "covered": covered,
        "files": np.array([files[chunk.path] for chunk in pool.chunks], np.int32),
        "scores": pool.scores,
        "logits": logits,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=["repos_dev", "dev", "train", *FUNCTION_SETS])
    parser.add_argument("--repos", type=Path, default=Path("."))
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--skip", nargs="*", default=[])
    parser.add_argument("--foreign", type=int, default=0, help="so many queries of another repository, without answer")
    parser.add_argument("--ranked", type=int, default=0, help="record the ranker's logits of so many first candidates")
    parser.add_argument("--questions", type=Path, nargs="*", default=[], help="further files of questions")
    parser.add_argument("--max-chunks", type=int, default=0, help="search a sample of each repository, not all of it")
    args = parser.parse_args()
    if args.set in FUNCTION_SETS:
        recorded = list(record_functions(args.shared, args.set, args.ranked))
        save(args.out, [described for described, _ in recorded], [values for _, values in recorded])
        return
    questions = [args.shared / "questions" / f"{args.set}.tsv", *args.questions]
    load = load_repos_dev if args.set == "repos_dev" else lambda _, repos: load_questions(questions, repos)
    records: list[dict[str, np.ndarray]] = []
    queries: list[list] = []
    chosen = [
        row
        for row in load(args.shared, args.repos)
        if (not args.only or row[0] in args.only) and row[0] not in args.skip and row[2].is_dir()
    ]
    for place, (name, language, root, judged) in enumerate(chosen):
        elsewhere = chosen[(place + 1) % len(chosen)][3][:: max(1, len(judged) // max(args.foreign, 1))][: args.foreign]
        foreign = [Judged(one.query, "foreign", []) for one in elsewhere]
        if args.max_chunks:
            records.extend(record_sample(root, judged, args.max_chunks))
            symbols = [parse_query(one.query).is_symbol for one in judged]
            queries += [
                [name, language, one.group, one.query, len(one.targets), symbol, number]
                for number, (one, symbol) in enumerate(zip(judged, symbols, strict=True))
            ]
            continue
        with open_searcher(root) as searcher:
            for number, one in enumerate([*judged, *foreign]):
                records.append(record(searcher, one, 16, args.ranked))
                symbol = parse_query(one.query).is_symbol
                queries.append([name, language, one.group, one.query, len(one.targets), symbol, number])
        print(f"{name:32} {len(judged):4} queries", file=sys.stderr, flush=True)
    save(args.out, queries, records)


def save(out: Path, queries: list[list], records: list[dict[str, np.ndarray]]) -> None:
    arrays = {f"{key}/{name}": value for key, record in enumerate(records) for name, value in record.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, queries=np.array(json.dumps(queries)), **arrays)


if __name__ == "__main__":
    main()
