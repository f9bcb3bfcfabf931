"""A small index with all that an index can hold, damaged, then searched and mended; runs in `isolated`'s child."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

from fakes.rankers import OverlapRanker
from fakes.word_encoder import WordEncoder

import codeseek.fill
from codeseek.build import build_index
from codeseek.errors import CodeseekError
from codeseek.indexes import generation
from codeseek.paths import CATALOGUE_NAME, index_dir, vectors_path
from codeseek.retrievers.fusion import Blend
from codeseek.search import Searcher
from codeseek.stores import segments
from codeseek.stores.snapshot import open_index
from codeseek.stores.sqlite import connect_writer
from codeseek.types import Filters, Kind
from codeseek.verify import verify_index

__all__ = ["make_index", "try_damage"]

NAME = WordEncoder().name
QUERIES = ("parse the header", "close_file", "retry with backoff")
FILTERS = (Filters(), Filters(kinds=frozenset({Kind.FUNCTION})), Filters(globs=("*.py", "!d1/")))

# (file, kind, place, length, seed): place and length as shares of the file.
Damage = tuple[int, str, float, float, int]
KINDS = ("flip", "zero", "ones", "cut", "delete", "insert", "noise", "swap", "remove", "empty")


def _function(name: str) -> str:
    return f"def {name}(value):\n    '''Docs of {name.replace('_', ' ')}.'''\n    return value\n"


def make_index(folder: str, with_graph: bool) -> list[str]:
    """Makes root and cache under `folder`: several segments, dead chunks, a generation, and vectors beside it.

    Returns:
        The files of the cache that damage can be done to, relative to `folder`.
    """
    _set_limits(with_graph)
    base = Path(folder)
    root, os.environ["CODESEEK_CACHE_DIR"] = base / "root", str(base / "cache")
    words = ["parse", "header", "close", "file", "retry", "backoff", "token", "read"]
    for at in range(12):
        path = root / f"d{at % 2}/f{at}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        names = [f"{words[at % 8]}_{words[(at + step) % 8]}" for step in (1, 2, 3)]
        path.write_text("\n\n".join(map(_function, names)))
    (root / "blob.bin").write_bytes(b"\0")
    (root / "notes.md").write_text("# Notes\n\nRead the header, and retry.\n")
    build_index(root, WordEncoder())
    for at in (3, 4):
        (root / f"d{at % 2}/f{at}.py").write_text(_function(f"late_token_{at}"))
        (root / "d0/f0.py").unlink(missing_ok=True)
        build_index(root, WordEncoder())
    for path in (index_dir(root) / CATALOGUE_NAME, vectors_path(NAME)):
        database = connect_writer(path)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
    files = (path for path in (base / "cache").rglob("*") if path.is_file() and not path.name.endswith("lock"))
    return sorted(str(path.relative_to(base)) for path in files if path.stat().st_size)


def _set_limits(with_graph: bool) -> None:
    """So small that a small index has every part, and damage beyond the head of a file goes unnoticed at first."""
    codeseek.fill.EXACT_MAX_ROWS = 4 if with_graph else 10_000
    codeseek.fill.PENDING_MAX_ROWS = 5
    segments.MERGE_RUN = 100
    generation.HEAD_BYTES = 128


def try_damage(folder: str, work: str, files: list[str], damages: list[Damage], with_graph: bool) -> dict[str, Any]:
    """Damages a copy of the index, searches it, brings it up to date, and builds it again.

    Returns:
        What searching came to ("answers", or the name of the error), what the update came to, and whether the answers
        after a rebuild are those of the index before.

    Raises:
        Exception: Whatever is not one of `codeseek.errors`; that is what the test is after.
    """
    _set_limits(with_graph)
    target = Path(work)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(Path(folder) / "cache", target / "cache")
    root = Path(folder) / "root"
    os.environ["CODESEEK_CACHE_DIR"] = str(Path(folder) / "cache")
    expected = _answers(root)
    os.environ["CODESEEK_CACHE_DIR"] = str(target / "cache")
    hurt = [_damage(target / files[place % len(files)], *how) for place, *how in damages]
    searched = _outcome(lambda: _answers(root))
    checked = _outcome(lambda: verify_index(root, NAME))
    updated = _outcome(lambda: build_index(root, WordEncoder()))
    found = _outcome(lambda: _answers(root))
    rechecked = _outcome(lambda: verify_index(root, NAME))
    codeseek_rebuilt = _outcome(lambda: build_index(root, WordEncoder(), rebuild=True))
    after = _outcome(lambda: _answers(root))
    last = _outcome(lambda: verify_index(root, NAME))
    return {
        "hurt": hurt,
        "searched": _name(searched),
        "checked": _name(checked),
        "updated": _name(updated),
        "right after the update": found == expected,
        "rechecked": rechecked if isinstance(rechecked, list) else _name(rechecked),
        "rebuilt": _name(codeseek_rebuilt),
        "right after the rebuild": after == expected,
        "words right after the rebuild": isinstance(after, list) and after[0] == expected[0],
        "last": last if isinstance(last, list) else _name(last),
    }


def _outcome(action: Any) -> Any:
    try:
        return action()
    except CodeseekError as error:
        if not (str(error) and error.hint):
            raise AssertionError(f"no message or no remedy: {type(error).__name__}: {error}") from error
        return error


def _name(outcome: Any) -> str:
    return f"{type(outcome).__name__}: {outcome}" if isinstance(outcome, CodeseekError) else "works"


def _answers(root: Path) -> list[list]:
    """[by words alone, with vectors]: what each query finds under each filter."""
    words, everything = [], []
    with Searcher(open_index(root, NAME), WordEncoder(), OverlapRanker(), Blend()) as searcher:
        for query in QUERIES:
            for filters in FILTERS:
                hits = searcher.search(query, filters=filters).hits
                everything.append([(hit.path, hit.span.start_line, hit.name, hit.score, hit.text) for hit in hits])
                allowed = searcher.index.allowed(filters)
                positions, scores = searcher.index.lexical.search(query.split(), 50, allowed)
                chunks = searcher.index.chunks(searcher.index.numbers[positions])
                paths = [(chunk.path, chunk.name) for chunk in chunks]
                words.append([paths, scores.tolist()])
        searcher.similar("d1/f1.py", 2)
        searcher.index.skipped()
        searcher.index.files_by_language()
    return [words, everything]


def _damage(path: Path, kind: str, place: float, length: float, seed: int) -> str:
    """Hurts one file; returns how, in words."""
    if not path.is_file():
        return f"{path.name}: gone already"
    random_ = random.Random(seed)
    data = bytearray(path.read_bytes())
    at = min(int(place * len(data)), max(len(data) - 1, 0))
    # Mostly a few bytes; now and then much.
    size = max(1, int(length**3 * len(data))) if length > 0.5 else 1 + int(length * 40)
    end = min(len(data), at + size)
    if kind == "remove":
        path.unlink()
        return f"{path.name}: removed"
    match kind:
        case "flip" if data:
            data[at] ^= 1 << random_.randrange(8)
        case "zero":
            data[at:end] = bytes(end - at)
        case "ones":
            data[at:end] = b"\xff" * (end - at)
        case "noise":
            data[at:end] = random_.randbytes(end - at)
        case "cut":
            del data[at:]
        case "delete":
            del data[at:end]
        case "insert":
            data[at:at] = random_.randbytes(size)
        case "swap":
            other = random_.randrange(len(data) + 1)
            data[at:end], data[other : other + end - at] = data[other : other + end - at], data[at:end]
        case "empty":
            data.clear()
    path.write_bytes(data)
    return f"{path.name}: {kind} {at}-{end} of {len(data)}"
