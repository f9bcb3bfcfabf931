"""A small repository for tests of hazards, its answers, and functions that run in a child process."""

from __future__ import annotations

import json
import os
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fakes.word_encoder import WordEncoder

from codeseek.build import build_index
from codeseek.stores.snapshot import open_index
from codeseek.verify import verify_index
from codeseek.words import query_terms

NOBODY = 65534
NAME = WordEncoder().name
QUERIES = ("parse the header", "open a connection", "close every file", "token")
Answers = list[tuple]


def function(name: str) -> str:
    return f"def {name}(value):\n    '''Docs of {name.replace('_', ' ')}.'''\n    return value\n"


def write_files(root: Path) -> Path:
    (root / "src").mkdir(parents=True)
    (root / "src/http.py").write_text(function("parse_header") + "\n\n" + function("open_connection"))
    (root / "src/files.py").write_text(function("close_every_file"))
    (root / "notes.md").write_text("# A token reader\n\nReads tokens.\n")
    return root


def find_answers(root: Path) -> Answers:
    """What each query finds by words and by vectors, with its scores."""
    encoder = WordEncoder()
    found: Answers = []
    with open_index(root, NAME) as index:
        for query in QUERIES:
            lexical = index.lexical.search(query_terms(query), 20)
            dense = index.dense.search(encoder.encode_queries([query])[0], 20)
            for positions, scores in (lexical, dense):
                chunks = index.chunks(index.numbers[positions])
                pairs = zip(chunks, scores, strict=True)
                found.append(tuple((chunk.path, chunk.span, chunk.name, float(score)) for chunk, score in pairs))
        found.append((len(index), index.freshness.coverage, tuple(index.paths)))
    return found


@contextmanager
def other_cache(folder: Path) -> Iterator[None]:
    before = os.environ["CODESEEK_CACHE_DIR"]
    os.environ["CODESEEK_CACHE_DIR"] = str(folder)
    try:
        yield
    finally:
        os.environ["CODESEEK_CACHE_DIR"] = before


def check_as_from_scratch(root: Path) -> None:
    """An update leaves the index sound, and with the answers that one from scratch has."""
    build_index(root, WordEncoder())
    assert verify_index(root, NAME) == []
    with tempfile.TemporaryDirectory() as folder, other_cache(Path(folder) / "scratch"):
        build_index(root, WordEncoder())
        expected = find_answers(root)
    assert find_answers(root) == expected


def in_child(call: Callable[[], Any], uid: int | None = None) -> Any:
    """What `call` returns in a forked process, as JSON has it, as user `uid`; its exception becomes a failure here.

    What it imports must be imported already: an unprivileged user may not be able to read this interpreter's modules.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12, where some library has started threads
        child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            if uid is not None and os.geteuid() == 0:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            answer: tuple[bool, Any] = True, call()
        except BaseException:
            answer = False, traceback.format_exc()
        with open(writing, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    succeeded, value = json.loads(data) if data else (False, "the child died")
    assert succeeded, value
    return value
