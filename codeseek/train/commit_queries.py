"""Queries from history: the subject of a commit asks for the functions that it changed, as they are now.

Line numbers of an old diff say nothing about the present file, so a function counts as changed where most of the lines
that the commit added to its file still stand in it. Git is started with everything off that a repository could make it
run.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codeseek.train.documentation_queries import MinedQuery, is_target
from codeseek.train.mining_filters import Rejection, judge_query
from codeseek.types import Chunk

__all__ = ["Commit", "clean_subject", "iter_commits", "mine_commits", "parse_log"]

MAX_COMMITS = 2_000
GIT_TIMEOUT_S = 120
LOG_MAX_BYTES = 200_000_000
MAX_FILES = 6  # a commit of more files is about no function
MAX_FUNCTIONS = 3
MAX_ADDED_LINES = 400
MIN_LINE_CHARS = 8  # shorter lines, such as braces, stand everywhere
MIN_LINES = 2
MIN_SHARE = 0.3  # of the commit's lines in that file
SUBJECT_MAX_WORDS = 20

_PREFIX = re.compile(
    r"^(?:(?:feat|fix|perf|refactor|chore|docs|style|test|tests|build|ci|revert|wip)(?:\([^)]*\))?!?:|\[[^\]]*\]|"
    r"[\w./-]{1,30}:|#\d+|[A-Z]+-\d+:?)\s+",
    re.IGNORECASE,
)
_SUFFIX = re.compile(
    r"\s*(?:\(#\d+\)|\[#?\d+\]|(?:closes|fixes|refs?|see|resolves)\s*:?\s*(?:#\d+|GH-\d+))\s*\.?$", re.I
)
_NO_QUERY = re.compile(
    r"""(?ix) ^(?: merge | revert | release | bump | update\ (?:version|changelog|dependenc|readme|copyright) | version
    | v?\d+\.\d+ | typos?\b | fix(?:ed)?\ (?:typo|lint|build|ci|test|warning) | format | lint | cleanup | clean\ up
    | wip | initial | prepare | address\ (?:review|comment) | minor | misc | tweak | add(?:ed)?\ (?:test|doc|comment)
    | chore | docs?\b | ci\b | build\b | style\b | rename\b | run\ \w+fmt )"""
)


@dataclass(slots=True)
class Commit:
    """The subject of a commit and the lines that it added, by path."""

    subject: str
    added: dict[str, list[str]] = field(default_factory=dict)


def iter_commits(root: Path, max_commits: int = MAX_COMMITS) -> Iterator[Commit]:
    """Yields the newest commits that are no merges; none where `root` is no repository or git is not installed."""
    if not (root / ".git").exists():
        return
    harmless = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "log.showSignature=false", "core.quotePath=false")
    command = ["git", "--no-pager", "-C", str(root), *(part for setting in harmless for part in ("-c", setting))]
    command += [
        "log",
        f"-n{max_commits}",
        "--no-merges",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--no-renames",
    ]
    command += ["--no-show-signature", "-p", "-U0", "--no-prefix", "--format=%x00%s"]
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
    except OSError:
        return  # history is one source of several; the report counts what came of it
    # Whatever git wrote until then is used: the newest commits come first.
    watch = threading.Timer(GIT_TIMEOUT_S, process.kill)
    watch.start()
    with process:
        try:
            output = process.stdout.read(LOG_MAX_BYTES) if process.stdout is not None else b""
        finally:
            watch.cancel()
            process.kill()
    yield from parse_log(output.decode("utf-8", "replace"))


def parse_log(text: str) -> Iterator[Commit]:
    """Reads the output of `git log -p -U0 --no-prefix --format=%x00%s`."""
    for entry in text.split("\0")[1:]:
        subject, _, diff = entry.partition("\n")
        commit = Commit(subject.strip())
        path, in_hunk = "", False
        for line in diff.split("\n"):
            if line.startswith("diff --git "):
                path, in_hunk = "", False
            elif not in_hunk and line.startswith("+++ "):
                path = line[4:].rstrip("\t")
            elif line.startswith("@@ "):
                in_hunk = True
            elif in_hunk and line.startswith("+") and path:
                commit.added.setdefault(path, []).append(line[1:])
        yield commit


def mine_commits(
    commits: Iterable[Commit], files: Mapping[str, list[tuple[str, Chunk]]], rejected: Counter[Rejection]
) -> Iterator[MinedQuery]:
    """Yields the subjects that ask for one to three functions, each function for its newest commits first.

    Args:
        commits: Newest first.
        files: Ids and chunks by path, as they are now.
        rejected: Counts what was left out, by reason.
    """
    seen: set[str] = set()
    asked: Counter[str] = Counter()
    for commit in commits:
        if not 1 <= len(commit.added) <= MAX_FILES or _NO_QUERY.match(commit.subject):
            continue
        if sum(map(len, commit.added.values())) > MAX_ADDED_LINES:
            continue
        subject = clean_subject(commit.subject)
        if _NO_QUERY.match(subject) or subject.lower() in seen or len(subject.split()) > SUBJECT_MAX_WORDS:
            continue
        targets = _changed(commit, files)
        if not targets or all(asked[target] >= 2 for target in targets):
            continue
        reason = judge_query(subject)
        if reason is not None:
            rejected[reason] += 1
            continue
        seen.add(subject.lower())
        asked.update(targets)
        yield MinedQuery("commit", subject, tuple(targets))


def clean_subject(subject: str) -> str:
    """The subject without its area, type and issue numbers."""
    previous = ""
    while previous != subject:
        previous = subject
        subject = _SUFFIX.sub("", _PREFIX.sub("", subject.strip()))
    return subject.rstrip(". ")


def _changed(commit: Commit, files: Mapping[str, list[tuple[str, Chunk]]]) -> list[str]:
    """Ids of the functions that hold what the commit added, most lines first; none where there are too many."""
    found: dict[str, int] = {}
    for path, lines in commit.added.items():
        wanted = {line.strip() for line in lines if len(line.strip()) >= MIN_LINE_CHARS}
        if not wanted:
            continue
        holders: dict[str, set[str]] = defaultdict(set)
        for identifier, chunk in files.get(path, ()):
            if is_target(chunk):
                holders[identifier] = wanted.intersection(line.strip() for line in chunk.text.splitlines())
        for identifier, held in holders.items():
            if len(held) >= MIN_LINES and len(held) >= MIN_SHARE * len(wanted):
                found[identifier] = len(held)
    if len(found) > MAX_FUNCTIONS:
        return []
    return sorted(found, key=lambda identifier: (-found[identifier], identifier))
