"""Records the pools of judged queries: every signal of every candidate, and which of them answer.

    python tests/benchmarks/pools.py SET --repos CHECKOUTS --shared ../shared --out pools/SET.npz [--ranked N]
        [--foreign N] [--only NAME ...] [--skip NAME ...]
    python tests/benchmarks/pools.py train|components|own … [--questions FILE ...] [--max-chunks N]
        [--documentation N] [--ranked N --ranked-every N]

SET is `repos_dev` (files answer), `dev` (functions answer; ../shared/questions), `train` (the same of the training
repositories, and of --questions), `components` (files of the training repositories answer; --questions names
`components.tsv`), `own` (documentation asks for the function that it was taken from), `cosqa` or `csn99` (functions
without a repository around them; needs no checkouts). What the `fit_*.py` fit and measure, so that a weight can be
tried without searching again. `train`, `components` and `own` search a corpus of chunks: with --max-chunks the files
that are asked about, and others up to that number of chunks; --documentation draws so many queries of each repository
from documentation, which is taken out of what is searched, as it is for others; `own` needs it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
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
from codeseek.train.exclusions import check_allowed, load_exclusions
from codeseek.train.mining import MiningOptions, draw, mine_queries, read_repository
from codeseek.train.undocumented import without_documentation
from codeseek.train.written_queries import WHOLE_FILE_STYLE, load_component_queries, load_questions
from codeseek.types import Ranker, StoredChunk

FUNCTION_SETS = ("cosqa", "csn99")
SAMPLED_SETS = ("train", "components", "own")
SAMPLE_TOP = 100
BARE_SHARE = 0.4
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


def load_judged(files: list[Path], repos: Path) -> Iterator[tuple[str, str, Path, list[Judged]]]:
    for repository, questions in sorted(load_questions(files).items()):
        judged = []
        for one in questions:
            lines = (0, 0) if one.style == WHOLE_FILE_STYLE else (one.first, one.last)
            judged.append(Judged(one.text, one.style, [(one.path, *lines)]))
        yield repository, repository, repos / repository, judged


def load_asked_files(files: list[Path], repos: Path) -> Iterator[tuple[str, str, Path, list[Judged]]]:
    for (repository, folder), asked in sorted(load_component_queries(files).items()):
        judged = [Judged(one.text, one.category, [(path, 0, 0) for path in one.paths]) for one in asked]
        yield repository, repository, repos / repository / folder, judged


def load_folders(repos: Path) -> Iterator[tuple[str, str, Path, list[Judged]]]:
    for root in sorted(repos.iterdir()):
        yield root.name, root.name, root, []


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


def record_sample(
    root: Path, judged: list[Judged], max_chunks: int, documentation: int, ranked: Callable[[int], int]
) -> Iterator[tuple[Judged, dict[str, np.ndarray]]]:
    """The pools of the questions and of some documentation, the best `SAMPLE_TOP` of each.

    `ranked` says of how many candidates of a query, by its number, the ranker's logit is wanted.
    """
    models = load_models(None, None, "auto")
    # What the network of before pushed down is what a new one must learn from.
    models = replace(models, blend=replace(models.blend, network=None))
    wanted = frozenset(path for one in judged for path, *_ in one.targets)
    files = read_repository(root, max_chunks=max_chunks, wanted=wanted)
    mined = mine_queries(root, files, MiningOptions(kinds=("documentation",), variants=bool(judged)), Counter())
    # Of others too, so that its lack is no sign of an answer.
    bare = {query.targets[0] for query in mined if draw(0, query.targets[0]) < BARE_SHARE} if documentation else set()
    mined = [query for query in mined if query.targets[0] in bare]
    mined = sorted(mined, key=lambda query: draw(0, f"{query.kind}\0{query.text}"))[:documentation]
    served = {
        path: [(name, without_documentation(chunk) if name in bare else chunk) for name, chunk in entries]
        for path, entries in files.items()
    }
    asked = [*judged, *(Judged(query.text, query.kind, [(name, 0, 0) for name in query.targets]) for query in mined)]
    with open_corpus(served, models.encoder) as corpus:
        pools = retrieve_pools(corpus, {str(number): one.query for number, one in enumerate(asked)}, models, None)
        for number, (one, (pool, _)) in enumerate(zip(asked, pools.values(), strict=True)):
            if number < len(judged):
                covered = [[answers(chunk, target) for target in one.targets] for chunk in pool.chunks]
            else:
                covered = [[corpus.ids[at] == name for name, *_ in one.targets] for at in pool.positions]
            found = np.array(covered, bool).reshape(len(pool), -1)
            recorded = fields(pool, found, models.blend, models.ranker, ranked(number))
            top = np.argsort(-recorded["scores"], kind="stable")[:SAMPLE_TOP]
            paths = {"paths": recorded.pop("paths")}
            yield one, paths | {name: values[top] for name, values in recorded.items()}


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
        "paths": np.array(list(files), np.str_),
        "scores": pool.scores,
        "logits": logits,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=["repos_dev", "dev", *SAMPLED_SETS, *FUNCTION_SETS])
    parser.add_argument("--repos", type=Path, default=Path("."))
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ranked", type=int, default=0, help="candidates of which the ranker's logit is recorded")
    parser.add_argument(
        "--ranked-every", type=int, default=1, metavar="N", help="only for every Nth query (train, own)"
    )
    parser.add_argument("--foreign", type=int, default=0, help="queries of the next repository, which nothing answers")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--skip", nargs="*", default=[])
    parser.add_argument("--questions", type=Path, nargs="*", default=[], help="files of questions (train, components)")
    parser.add_argument("--max-chunks", type=int, default=0, help="search a sample of each repository (train, own)")
    parser.add_argument("--documentation", type=int, default=0, help="queries of each repository (train, own)")
    args = parser.parse_args()
    if args.set not in SAMPLED_SETS and (args.max_chunks or args.documentation or args.ranked_every > 1):
        parser.error("--max-chunks, --documentation and --ranked-every are for train and own")
    if args.set in SAMPLED_SETS and args.foreign:
        parser.error("--foreign is not for train and own")
    if args.questions and args.set not in ("train", "components"):
        parser.error("--questions is for train and components")
    if args.set == "own" and not args.documentation:
        parser.error("own needs --documentation")
    if args.set in FUNCTION_SETS:
        recorded = list(record_functions(args.shared, args.set, args.ranked))
        save(args.out, [described for described, _ in recorded], [values for _, values in recorded])
        return
    if args.set == "repos_dev":
        loaded = load_repos_dev(args.shared, args.repos)
    elif args.set == "own":
        loaded = load_folders(args.repos)
    elif args.set == "components":
        loaded = load_asked_files(args.questions, args.repos)
    else:
        loaded = load_judged([args.shared / "questions" / f"{args.set}.tsv", *args.questions], args.repos)
    chosen = [
        row for row in loaded if (not args.only or row[0] in args.only) and row[0] not in args.skip and row[2].is_dir()
    ]
    if args.set in ("train", "components"):
        for name, *_ in chosen:
            check_allowed(args.repos / name, load_exclusions())
    records: list[dict[str, np.ndarray]] = []
    queries: list[list] = []
    for place, (name, language, root, judged) in enumerate(chosen):
        if args.set in SAMPLED_SETS:

            def ranked(number: int) -> int:
                return 0 if number % args.ranked_every else args.ranked

            found = list(record_sample(root, judged, args.max_chunks, args.documentation, ranked))
        else:
            elsewhere = chosen[(place + 1) % len(chosen)][3]
            elsewhere = elsewhere[:: max(1, len(judged) // max(args.foreign, 1))][: args.foreign]
            asked = [*judged, *(Judged(one.query, "foreign", []) for one in elsewhere)]
            with open_searcher(root) as searcher:
                found = [(one, record(searcher, one, 16, args.ranked)) for one in asked]
        for number, (one, values) in enumerate(found):
            symbol = parse_query(one.query).is_symbol
            queries.append([name, language, one.group, one.query, len(one.targets), symbol, number])
            records.append(values)
        print(f"{name:32} {len(found):4} queries", file=sys.stderr, flush=True)
    save(args.out, queries, records)


def save(out: Path, queries: list[list], records: list[dict[str, np.ndarray]]) -> None:
    arrays = {f"{key}/{name}": value for key, record in enumerate(records) for name, value in record.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, queries=np.array(json.dumps(queries)), **arrays)


if __name__ == "__main__":
    main()
