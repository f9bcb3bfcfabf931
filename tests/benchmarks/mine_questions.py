"""Turns written questions into the trainers' files, with negatives from the hybrid retriever as shipped.

    python tests/benchmarks/mine_questions.py QUESTIONS.tsv ... --repos CHECKOUTS --out DIR [--only NAME ...] [--dual]

QUESTIONS.tsv as in `codeseek/train/questions` and `../shared/questions`; CHECKOUTS/<owner>+<name> holds each repository
at its commit. Writes DIR/pairs.jsonl, documents.jsonl and ranking.jsonl, which `codeseek train cross|dual` reads. The
positive is the best candidate that answers, else the definition itself; every other candidate that answers is no
negative. With --dual the documents are what the encoder reads, without the path.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

from codeseek.errors import DataError
from codeseek.retrievers.hybrid import Pool
from codeseek.search import Searcher, open_searcher
from codeseek.train.exclusions import check_allowed, load_exclusions
from codeseek.types import StoredChunk

RANKING_DEPTH = 50
WHOLE_FILE_STYLE = "file"


def load(paths: list[Path]) -> dict[str, list[tuple[str, int, int, str, str]]]:
    """(path, start, end, style, query) by repository."""
    found = defaultdict(list)
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            fields = line.split("\t")
            if len(fields) != 6:
                raise DataError(f"{path}:{number} has {len(fields)} fields, wanted 6")
            repository, file, span, _, style, query = fields
            start, end = map(int, span.split("-"))
            found[repository].append((file, start, end, style, query))
    return found


def answers(chunk: StoredChunk, file: str, start: int, end: int, style: str) -> bool:
    if chunk.path != file:
        return False
    return style == WHOLE_FILE_STYLE or (chunk.span.start_line <= end and chunk.span.end_line >= start)


def positive_of(searcher: Searcher, pool: Pool, file: str, start: int, end: int, style: str) -> StoredChunk | None:
    inside = [chunk for chunk in pool.chunks if answers(chunk, file, start, end, style)]
    if inside:
        return inside[0]
    known = [chunk for chunk in searcher.index.chunks_of(file) if answers(chunk, file, start, end, style)]
    return max(known, key=lambda chunk: (bool(chunk.name), chunk.bytes.end - chunk.bytes.start), default=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path, nargs="+")
    parser.add_argument("--repos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--dual", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    files = {
        name: (args.out / f"{name}.jsonl").open("w", encoding="utf-8") for name in ("pairs", "documents", "ranking")
    }

    def write(name: str, record: dict) -> None:
        files[name].write(json.dumps(record) + "\n")

    exclusions = load_exclusions()
    total = 0
    for repository, questions in sorted(load(args.questions).items()):
        root = args.repos / repository
        if (args.only and repository not in args.only) or not root.is_dir():
            continue
        check_allowed(root, exclusions)
        with open_searcher(root.resolve()) as searcher:
            used: dict[int, str] = {}
            for file, start, end, style, query in questions:
                pool = searcher.retrieve(query)
                positive = positive_of(searcher, pool, file, start, end, style)
                if positive is None:
                    continue
                negatives = [
                    (chunk, float(score))
                    for chunk, score in zip(pool.chunks, pool.scores, strict=True)
                    if not answers(chunk, file, start, end, style)
                ][:RANKING_DEPTH]
                numbers = [positive.number, *(chunk.number for chunk, _ in negatives)]
                missing = [number for number in numbers if number not in used]
                for number, text in zip(missing, searcher.index.documents(missing), strict=True):
                    used[number] = text.partition("\n")[2] if args.dual else text
                    document_id = f"{repository}#{number}"
                    write("documents", {"document_id": document_id, "repository": repository, "text": used[number]})
                query_id = f"{repository}:{total}"
                write(
                    "pairs",
                    {
                        "query": query,
                        "document": used[positive.number],
                        "repository": repository,
                        "language": positive.language or "text",
                        "kind": "symbol" if style == "symbol" else "question",
                        "document_id": f"{repository}#{positive.number}",
                        "query_id": query_id,
                    },
                )
                ids, scores = (
                    [f"{repository}#{chunk.number}" for chunk, _ in negatives],
                    [score for _, score in negatives],
                )
                write("ranking", {"query_id": query_id, "documents": ids, "scores": scores})
                total += 1
        print(f"{repository:32} {len(questions):5} questions, {total:6} pairs so far", file=sys.stderr, flush=True)
    for file in files.values():
        file.close()


if __name__ == "__main__":
    main()
