"""Replays the history of git repositories: an index updated after each commit against one built from scratch.

    python tests/benchmarks/replay_history.py CLONE ... [--commits 100] [--every 10] [--fake] [--work DIR]

CLONE is a git repository, bare or not; it is only read. The last `--commits` steps along its first parents are checked
out one after the other, oldest first, into a tree of our own, whose index is brought up to date each time. After every
`--every` commits and after the last, a second index is built from nothing, and the two are compared: every chunk with
what models read of it, and the lexical, dense and blended answers (places, order, exact scores) to queries made from
names that the repository defines. Ends with status 1 if anything differs. With `--fake` a hash of the words stands for
the encoder; without, the shipped one encodes each checkpoint anew, which takes minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from codeseek.build import build_index
from codeseek.encoders import LazyEncoder
from codeseek.retrievers.fusion import Blend
from codeseek.search import Searcher
from codeseek.stores.snapshot import Index, open_index
from codeseek.types import BuildReport, Encoder
from codeseek.verify import verify_index
from codeseek.words import query_terms, split_identifier

QUERIES = 20
DEPTH = 50
# Neither hooks nor filters of whoever made the repository or of this machine run.
GIT = ("git", "-c", "core.hooksPath=/dev/null", "-c", "core.attributesFile=/dev/null")


@dataclass(slots=True)
class Replay:
    """Figures of one repository; seconds are wall time, one an update or a build from scratch."""

    updates_s: list[float] = field(default_factory=list)
    scratch_s: list[float] = field(default_factory=list)
    updated_files: int = 0
    removed_files: int = 0
    encoded: int = 0
    chunks: int = 0
    files: int = 0
    checkpoints: int = 0
    compared: int = 0
    differences: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path, nargs="+", metavar="CLONE")
    parser.add_argument("--commits", type=int, default=100)
    parser.add_argument("--every", type=int, default=10, help="commits between two checkpoints")
    parser.add_argument("--fake", action="store_true", help="a hash of the words in place of the encoder")
    parser.add_argument("--work", type=Path, help="where trees and indexes are made, instead of a temporary folder")
    arguments = parser.parse_args()
    encoder = fake_encoder() if arguments.fake else LazyEncoder(None, "cpu")
    different = False
    for clone in arguments.clones:
        with TemporaryDirectory(dir=arguments.work, ignore_cleanup_errors=True) as folder:
            replay = replay_history(clone, Path(folder), encoder, arguments.commits, arguments.every)
        report(name_of(clone), replay)
        different |= bool(replay.differences)
    sys.exit(int(different))


def fake_encoder() -> Encoder:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from fakes.hash_encoder import HashEncoder

    return HashEncoder()


def name_of(clone: Path) -> str:
    """`owner+name`, also of a bare mirror in `owner+name/repo`."""
    path = clone.resolve()
    return path.parent.name if path.name in ("repo", ".git") else path.name


def replay_history(clone: Path, work: Path, encoder: Encoder, commits: int, every: int) -> Replay:
    """Replays one repository in `work`, an empty folder."""
    root = work / "tree"
    git(work, "clone", "--quiet", "--shared", "--no-checkout", str(clone.resolve()), str(root))
    steps = git(root, "rev-list", "--first-parent", f"--max-count={commits}", "HEAD").split()[::-1]
    replay = Replay()
    for number, commit in enumerate(steps, 1):
        git(root, "checkout", "--quiet", "--force", "--detach", commit)
        git(root, "clean", "--quiet", "-ffdx")
        with cache_in(work / "incremental"):
            seconds, update = timed(lambda: build_index(root, encoder, encoder_name=encoder.name))
            if number > 1:  # the first is a build from scratch itself
                replay.updates_s.append(seconds)
                replay.updated_files += update.updated_files
                replay.removed_files += update.removed_files
                replay.encoded += update.encoded
            if number % every == 0 or number == len(steps):
                compare(replay, root, work, encoder, f"{commit[:10]} ({number})")
    return replay


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    done = subprocess.run([*GIT, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def timed(action: Callable[[], BuildReport]) -> tuple[float, BuildReport]:
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


@contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    before = os.environ.get("CODESEEK_CACHE_DIR")
    os.environ["CODESEEK_CACHE_DIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["CODESEEK_CACHE_DIR"]
        else:
            os.environ["CODESEEK_CACHE_DIR"] = before


def compare(replay: Replay, root: Path, work: Path, encoder: Encoder, where: str) -> None:
    """Builds from scratch and notes what differs; called with the cache of the updated index."""
    problems = verify_index(root, encoder.name)
    with cache_in(work / "scratch"):
        seconds, built = timed(lambda: build_index(root, encoder, encoder_name=encoder.name))
        with open_index(root, encoder.name) as index:
            queries = make_queries(index)
        expected = describe(root, encoder, queries)
    found = describe(root, encoder, queries)
    differing = [what for what in {**expected, **found} if found.get(what) != expected.get(what)]
    replay.differences += [f"{where}: {problem}" for problem in [*problems, *differing]]
    replay.scratch_s.append(seconds)
    replay.checkpoints += 1
    replay.compared += len(expected)
    replay.chunks, replay.files = built.chunks, built.files
    shutil.rmtree(work / "scratch")
    sys.stdout.write(f"  {where}: {built.files} files, {built.chunks} chunks, {len(differing)} differences\n")
    sys.stdout.flush()


def make_queries(index: Index) -> list[str]:
    """Names that the repository defines, evenly spaced through the alphabet, in turn as they are and as their words."""
    names = sorted({chunk.name for chunk in index.chunks(index.numbers) if len(chunk.name) > 3})
    chosen = [names[at] for at in np.unique(np.linspace(0, len(names) - 1, QUERIES).astype(int))] if names else []
    return [name if at % 2 else " ".join(split_identifier(name)) or name for at, name in enumerate(chosen)]


def describe(root: Path, encoder: Encoder, queries: list[str]) -> dict[str, object]:
    """By name: all chunks, and what each stage answers, without the numbers that an index gives by itself."""
    found: dict[str, object] = {}
    with Searcher(open_index(root, encoder.name), encoder, None, Blend()) as searcher:
        index = searcher.index
        chunks, texts = index.chunks(index.numbers), index.documents(index.numbers)
        for chunk, text in zip(chunks, texts, strict=True):
            place = f"{chunk.path}:{chunk.span.start_line}"
            found[f"chunk {place}"] = (
                chunk.span, chunk.bytes, chunk.language, chunk.kind, chunk.name, chunk.scope, chunk.signature,
                chunk.part, text,
            )  # fmt: skip
        found["coverage"] = index.freshness.coverage
        found["skipped"] = [(skipped.path, skipped.reason, skipped.detail) for skipped in index.skipped()]
        for query in queries:
            vector = encoder.encode_queries([query])[0]
            for stage, answer in (
                ("words", index.lexical.search(query_terms(query), DEPTH)),
                ("vectors", index.dense.search(vector, DEPTH)),
            ):
                hits = index.chunks(index.numbers[answer[0]])
                found[f"{stage} of {query!r}"] = [
                    (hit.path, hit.span, float(score)) for hit, score in zip(hits, answer[1], strict=True)
                ]
            answered = searcher.search(query, limit=DEPTH).hits
            found[f"answer to {query!r}"] = [(hit.path, hit.span, hit.score, dict(hit.stages)) for hit in answered]
    return found


def report(name: str, replay: Replay) -> None:
    updates_ms = 1000 * np.array(replay.updates_s or [0.0])
    sys.stdout.write(
        f"{name}: {len(replay.updates_s)} updates, {replay.checkpoints} checkpoints, {replay.compared:,} comparisons, "
        f"{len(replay.differences)} differences; {replay.files} files, {replay.chunks:,} chunks; "
        f"{replay.updated_files} files read, {replay.removed_files} removed, {replay.encoded} contents encoded; "
        f"update median {np.median(updates_ms):.0f} ms, p95 {np.quantile(updates_ms, 0.95):.0f} ms, "
        f"from scratch {np.median(replay.scratch_s or [0.0]):.1f} s\n"
    )
    for difference in replay.differences[:20]:
        sys.stdout.write(f"  differs: {difference}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
