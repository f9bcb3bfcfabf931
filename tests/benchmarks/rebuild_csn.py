"""Rebuilds the Ruby part of CodeSearchNet, as GraphCodeBERT cleaned it, from lists of URLs and git mirrors.

    python tests/benchmarks/rebuild_csn.py LISTS --mirrors MIRRORS --to CACHE/csn [--train]
    codeseek evaluate csn CACHE/csn

LISTS holds test.txt and codebase.txt, perhaps valid.txt and train.txt, one function a line:
https://github.com/OWNER/NAME/blob/COMMIT/PATH#LSTART-LEND (GraphCodeBERT's lists; DeepSoftwareAnalytics/CoCoSoDa has
them under dataset/ruby). MIRRORS holds a git directory a repository: OWNER+NAME/repo, OWNER+NAME or NAME.git. Writes
CACHE/csn/ruby/{test,valid,codebase}.jsonl, with --train also train.jsonl, and report.json: what could not be rebuilt.

Why its figures are not the published ones: queries and pool lack what has no mirror, and codebase.txt names 5,914
functions where the published pool holds 4,360. That pool was taken from the files of valid and test, and CodeSearchNet
split by repository: entries of a repository in train.txt are none of it. Entries of repositories that no list of
queries names may be or not; they are left out. The shipped models start from all-MiniLM-L6-v2, whose training data
held CodeSearchNet pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from csn_ruby import LANGUAGE, Function, Source, is_clean

from codeseek.errors import DataError, UsageError

SPLITS = ("train", "valid", "test")
POOL = "codebase"
# The corpus came out in September 2019: no function in it is younger.
PUBLISHED_ON = "2019-09-30"
# Commits tried where the named one is absent.
MAX_COMMITS = 200

_URL = re.compile(r"https://github\.com/([^/]+/[^/]+)/blob/([0-9a-f]{40})/(.+)#L(\d+)-L(\d+)")


class Why(StrEnum):
    """Why a function could not be rebuilt."""

    NO_MIRROR = "no mirror of the repository"
    NO_COMMIT = "commit not in the mirror, and no other fits"
    NO_FILE = "file not in the commit, or its text not in the mirror"
    OUT_OF_RANGE = "lines beyond the end of the file"
    NO_METHOD = "no method at exactly these lines"
    UNCLEAN = "documentation breaks the rules of the lists"


@dataclass(frozen=True, slots=True)
class Place:
    """A function as its URL names it; lines are 1-based and inclusive."""

    url: str
    repository: str
    commit: str
    path: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Found:
    """Functions by URL, the reasons for the others, and the URLs of those that come from another commit."""

    functions: Mapping[str, Function]
    reasons: Mapping[str, Why]
    moved: frozenset[str]


def read_list(path: Path) -> list[Place]:
    """The functions that a list names, in its order.

    Raises:
        DataError: If a line is no such URL; the message names file and line.
    """
    places = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not (match := _URL.fullmatch(line.strip())):
            raise DataError(f"{path}:{number} is no URL of a function: {line.strip()[:100]}")
        places.append(Place(line.strip(), *match.group(1, 2, 3), int(match[4]), int(match[5])))
    return places


def choose_pool(lists: Mapping[str, list[Place]]) -> tuple[list[Place], dict[str, int]]:
    """The entries of codebase.txt that surely are of the published pool, and how many others were left out."""
    train = {place.repository for place in lists.get("train", ())}
    named = {place.repository for split in ("valid", "test") for place in lists.get(split, ())}
    pool = [place for place in lists[POOL] if place.repository in named]
    of_train = sum(place.repository in train - named for place in lists[POOL])
    undecided = len(lists[POOL]) - len(pool) - of_train
    return pool, {"of the train split": of_train, "of repositories that no list of queries names": undecided}


def git(directory: Path, *arguments: str, text: str = "") -> bytes:
    """Standard output; empty where git fails. Nothing is fetched."""
    environment = {**os.environ, "GIT_NO_LAZY_FETCH": "1"}
    command = ["git", f"--git-dir={directory}", *arguments]
    return subprocess.run(command, capture_output=True, input=text.encode(), env=environment).stdout


def find_mirror(mirrors: Path, repository: str) -> Path | None:
    """The git directory of a repository, or None."""
    folder = mirrors / repository.replace("/", "+")
    for base in (folder / "repo", folder, mirrors / f"{repository.split('/')[1]}.git"):
        for directory in (base / ".git", base):
            if (directory / "objects").is_dir():
                return directory
    return None


def read_files(directory: Path, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
    """Files of a commit, line ends as Python reads them; what the mirror lacks is not in it."""
    wanted = sorted(set(paths))
    output = git(directory, "cat-file", "--batch", text="".join(f"{commit}:{path}\n" for path in wanted))
    files, at = {}, 0
    for path in wanted:
        end = output.find(b"\n", at)
        header, at = output[at:end], end + 1
        if end < 0 or header.endswith(b" missing"):
            continue
        size = int(header.rsplit(b" ", 1)[1])
        files[path] = output[at : at + size].replace(b"\r\n", b"\n")
        at += size + 1
    return files


def other_commits(directory: Path, paths: Iterable[str]) -> list[str]:
    """Commits before the corpus was published that touch these files, newest first."""
    options = ("--all", "--format=%H", f"--max-count={MAX_COMMITS}", f"--until={PUBLISHED_ON}")
    return git(directory, "log", *options, "--", *sorted(set(paths))).decode().split()


def rebuild(places: Iterable[Place], mirrors: Path) -> Found:
    """Reads every function from its commit, or from the one nearest to it that the mirror has."""
    by_commit: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for place in places:
        by_commit[place.repository, place.commit].append(place)
    functions: dict[str, Function] = {}
    reasons: dict[str, Why] = {}
    moved: set[str] = set()
    for (repository, commit), wanted in sorted(by_commit.items()):
        directory = find_mirror(mirrors, repository)
        if directory is None:
            reasons.update({place.url: Why.NO_MIRROR for place in wanted})
        elif git(directory, "cat-file", "-t", commit).strip() == b"commit":
            found, missing = _read(directory, commit, wanted)
            functions.update(found)
            reasons.update(missing)
        else:
            found = _read_nearest(directory, wanted)
            functions.update(found)
            moved.update(found)
            reasons.update({place.url: Why.NO_COMMIT for place in wanted if place.url not in found})
    return Found(functions, reasons, frozenset(moved))


def _read(directory: Path, commit: str, places: list[Place]) -> tuple[dict[str, Function], dict[str, Why]]:
    files = read_files(directory, commit, (place.path for place in places))
    sources = {path: Source(data) for path, data in files.items()}
    functions, reasons = {}, {}
    for place in places:
        source = sources.get(place.path)
        if source is None:
            reasons[place.url] = Why.NO_FILE
        elif place.end > source.lines:
            reasons[place.url] = Why.OUT_OF_RANGE
        elif (function := source.function(place.start, place.end)) is None:
            reasons[place.url] = Why.NO_METHOD
        else:
            functions[place.url] = function
    return functions, reasons


def _read_nearest(directory: Path, places: list[Place]) -> dict[str, Function]:
    """The functions of the commit that has methods at most of these lines: a URL holds no name to look for."""
    best: dict[str, Function] = {}
    for commit in other_commits(directory, (place.path for place in places)):
        found, _ = _read(directory, commit, places)
        if len(found) > len(best):
            best = found
        if len(best) == len(places):
            break
    return best


def record(place: Place, function: Function, partition: str) -> dict[str, Any]:
    """One line of a published file: queries come without their code, the pool without its documentation."""
    query, pool = partition in ("valid", "test"), partition == POOL
    return {
        "repo": place.repository,
        "path": place.path,
        "func_name": function.name,
        "original_string": "" if query else function.code,
        "language": LANGUAGE,
        "code": "" if query else function.code,
        "code_tokens": [] if query else function.code_tokens,
        "docstring": "" if pool else function.docstring,
        "docstring_tokens": [] if pool else function.docstring_tokens,
        "sha": place.commit,
        "url": place.url,
        "partition": partition,
    }


def write_split(folder: Path, partition: str, places: list[Place], found: Found) -> dict[str, Any]:
    """Writes what could be rebuilt of a list, and returns the counts."""
    reasons = Counter(found.reasons[place.url] for place in places if place.url in found.reasons)
    kept = [place for place in places if place.url in found.functions]
    if partition != POOL:
        clean = [place for place in kept if is_clean(found.functions[place.url])]
        reasons[Why.UNCLEAN] = len(kept) - len(clean)
        kept = clean
    lines = (json.dumps(record(place, found.functions[place.url], partition)) + "\n" for place in kept)
    (folder / f"{partition}.jsonl").write_text("".join(lines), encoding="utf-8")
    return {
        "listed": len(places),
        "rebuilt": len(kept),
        "repositories": len({place.repository for place in kept}),
        "from another commit": sum(place.url in found.moved for place in kept),
        "documented by a method passed over": sum(found.functions[place.url].borrowed for place in kept),
        "not rebuilt": {reason.value: count for reason, count in reasons.most_common() if count},
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", type=Path)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--train", action="store_true", help="rebuild train.txt, too")
    options = parser.parse_args(arguments)
    paths = {name: options.lists / f"{name}.txt" for name in (*SPLITS, POOL)}
    lists = {name: read_list(path) for name, path in paths.items() if path.exists()}
    if not {"test", POOL} <= lists.keys():
        raise UsageError(f"{options.lists} lacks test.txt or {POOL}.txt")
    pool, left_out = choose_pool(lists)
    wanted = {name: places for name, places in lists.items() if name != POOL and (name != "train" or options.train)}
    wanted[POOL] = pool
    found = rebuild({place.url: place for places in wanted.values() for place in places}.values(), options.mirrors)
    folder = options.to / LANGUAGE
    folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {name: write_split(folder, name, places, found) for name, places in wanted.items()}
    report[POOL]["left out"] = left_out
    text = json.dumps(report, indent=2)
    (options.to / "report.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
