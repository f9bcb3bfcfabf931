"""A small repository, what its index answers, and builds of it in a process of their own."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from fakes.hazards import other_cache
from fakes.word_encoder import WordEncoder

from codeseek.build import build_index
from codeseek.stores.snapshot import open_index
from codeseek.words import query_terms

QUERIES = ["parse the header", "open a connection", "close every file", "retry with backoff", "token", "def"]
NAME = WordEncoder().name


WORDS = ["parse", "header", "open", "close", "file", "retry", "backoff", "token", "read", "write"]


def function(name: str, body: str = "pass") -> str:
    return f"def {name}(value):\n    '''Docs of {name.replace('_', ' ')}.'''\n    {body}\n    return value\n"


def write_repository(folder: Path) -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "src/http.py").write_text(function("parse_header") + "\n\n" + function("open_connection"))
    (folder / "src/files.py").write_text(function("close_file") + "\n\n" + function("retry_with_backoff"))
    (folder / "README.md").write_text("# A token reader\n\nReads tokens.\n")
    return folder


def answers(root: Path, depth: int = 20) -> list[tuple]:
    """What every query finds, by what a user would see; scores exactly."""
    encoder = WordEncoder()
    found: list[tuple] = []
    with open_index(root, NAME) as index:
        for query in QUERIES:
            lexical = index.lexical.search(query_terms(query), depth)
            dense = index.dense.search(encoder.encode_queries([query])[0], depth)
            for positions, scores in (lexical, dense):
                numbers = index.numbers[positions]
                chunks, documents = index.chunks(numbers), index.documents(numbers)
                found.append(
                    tuple(
                        (chunk.path, chunk.span, chunk.name, document, float(score))
                        for chunk, document, score in zip(chunks, documents, scores, strict=True)
                    )
                )
        found.append((len(index), index.freshness.coverage, tuple(index.paths)))
    return found


def scratch_answers(root: Path, folder: Path) -> list[tuple]:
    shutil.rmtree(folder, ignore_errors=True)
    with other_cache(folder):
        build_index(root, WordEncoder())
        return answers(root)


CHILD = """
import os, random, signal, sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
import codeseek.fill, codeseek.update
from codeseek.stores import segments
from codeseek.build import build_index
from fakes.word_encoder import WordEncoder
codeseek.update.COMMIT_CHUNKS, codeseek.fill.ENCODE_BATCH, segments.MERGE_RUN = 6, 5, 3
codeseek.fill.EXACT_MAX_ROWS, codeseek.fill.PENDING_MAX_ROWS = 10, 5
"""


def child(script: str, *arguments: str) -> subprocess.Popen:
    source = script.replace("{tests!r}", repr(str(Path(__file__).parents[1])))
    return subprocess.Popen([sys.executable, "-c", source, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"})


def many_files(root: Path, count: int = 12) -> None:
    random_ = random.Random(1)
    for at in range(count):
        names = ["_".join(random_.choices(WORDS, k=3)) for _ in range(3)]
        (root / f"m{at}.py").write_text("\n\n".join(map(function, names)))
