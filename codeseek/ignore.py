"""Ignore rules as git has them, and globs as ripgrep has them.

Precedence, highest first: `.codeseekignore` (deepest folder first), `.gitignore` (deepest first), `.git/info/exclude`,
the user's `core.excludesFile`. Within one file the last match wins. A folder that is ignored is not walked into, so
nothing below it can be taken back, as in git. Each entry is matched by itself, never through its parents, because the
walk has already decided about those.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from codeseek.errors import UsageError
from codeseek.wildmatch import expand_braces, translate

__all__ = ["ChainReader", "Globs", "IgnoreChain", "Rules"]

IGNORE_FILE_MAX_BYTES = 1 << 20  # a hostile ignore file must not cost minutes; git's own are a few kB
# Of all the files on the way to one folder: 80,000 patterns take 17 s and 340 MB, and folders nest (benchmarks/LOG.md).
CHAIN_MAX_PATTERNS = 10_000
PATTERN_CHARS = 100  # an expression of n times this length counts as n more, so that the limit holds for memory too
PATTERN_MAX_CHARS = 4096  # as long as a path may be on Linux; `re` keeps the last 512 expressions, of whatever length
GIT_FILE_MAX_BYTES = 4096  # `.git` of a worktree and `commondir` hold one path


class Rules:
    """The patterns of one ignore file. One union expression says "none matches", the usual case, in one step.

    Attributes:
        cost: How many patterns of `CHAIN_MAX_PATTERNS` they stand for, at most `max_cost`; what follows is left out.
    """

    def __init__(self, lines: Iterable[str], max_cost: float = math.inf) -> None:
        self._patterns: list[tuple[bool, re.Pattern[str]]] = []
        self.cost = 0
        sources = []
        for line in lines:
            parsed = _parse_line(line)
            if parsed is None:
                continue
            include, source = parsed
            cost = 1 + len(source) // PATTERN_CHARS
            if self.cost + cost > max_cost:
                break
            try:
                self._patterns.append((include, re.compile(source, re.DOTALL)))
            except (re.error, OverflowError):
                continue
            sources.append(f"(?:{source})")
            self.cost += cost
        self._any = re.compile("|".join(sources), re.DOTALL) if sources else None

    def __bool__(self) -> bool:
        return self._any is not None

    def check(self, entry: str) -> bool | None:
        """True if `entry` is ignored, False if it is taken back, None if no pattern matches.

        Args:
            entry: Path relative to the folder of the ignore file; folders end in a slash.
        """
        if self._any is None or self._any.fullmatch(entry) is None:
            return None
        for include, pattern in reversed(self._patterns):
            if pattern.fullmatch(entry):
                return include
        return None


def _parse_line(line: str) -> tuple[bool, str] | None:
    """Whether a line of an ignore file ignores or takes back, and the expression of the entries that it names."""
    line = line.removesuffix("\r")
    if not line or line.startswith("#"):
        return None
    bare = line.rstrip(" ")
    if len(bare) < len(line) and (len(bare) - len(bare.rstrip("\\"))) % 2:
        bare += " "  # the first of the trailing spaces is escaped
    include = not bare.startswith("!")
    pattern = bare if include else bare[1:]
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    source = translate(pattern) if pattern else None
    return None if source is None else (include, f"(?:{source})" + ("/" if folders_only else "/?"))


@dataclass(frozen=True, slots=True)
class _Placed:
    """Rules and where their file lies: an entry `path` is matched as `prefix + path[strip:]`."""

    rules: Rules
    prefix: str
    strip: int


@dataclass(frozen=True, slots=True)
class IgnoreChain:
    """The rules that hold in one folder, by precedence. Immutable: `enter` gives the chain of a folder below."""

    own: tuple[_Placed, ...] = ()
    git: tuple[_Placed, ...] = ()
    user: tuple[_Placed, ...] = ()
    held: int = 0  # the cost of all rules read on the way here: a walk still holds those that a nested repository ends

    def _with(self, file: Path | None, prefix: str, strip: int) -> IgnoreChain:
        """This chain with the rules of `file` before others of their kind, as many as may still be held."""
        rules = _load(file, CHAIN_MAX_PATTERNS - self.held)
        if file is None or not rules:
            return self
        placed, held = _Placed(rules, prefix, strip), self.held + rules.cost
        if file.name == ".codeseekignore":
            return replace(self, own=(placed, *self.own), held=held)
        return replace(self, git=(placed, *self.git), held=held)

    def is_ignored(self, entry: str) -> bool:
        """Whether `entry`, a path relative to the root (folders with a trailing slash), is left out."""
        for group in (self.own, self.git, self.user):
            for placed in group:
                verdict = placed.rules.check(placed.prefix + entry[placed.strip :])
                if verdict is not None:
                    return verdict
        return False

    @classmethod
    def of_root(cls, root: Path, extra: Sequence[str] = ()) -> IgnoreChain:
        """The chain at the root, with what its repository says above it when the root lies inside one."""
        top = next((folder for folder in (root, *root.parents) if os.path.lexists(folder / ".git")), None)
        user = tuple(_Placed(rules, "", 0) for rules in [_load(_user_excludes())] if rules)
        chain = cls(tuple(_Placed(rules, "", 0) for rules in [Rules(extra)] if rules), (), user)
        if top is None or top == root:
            return chain
        chain = chain._with(git_exclude_file(top), root.relative_to(top).as_posix() + "/", 0)
        above = [top, *reversed([folder for folder in root.parents if top in folder.parents])]
        for folder in above:
            prefix = root.relative_to(folder).as_posix() + "/"
            chain = chain._with(folder / ".codeseekignore", prefix, 0)._with(folder / ".gitignore", prefix, 0)
        return chain

    def enter(self, folder: Path, path: str, names: Iterable[str]) -> IgnoreChain:
        """The chain inside `folder`.

        Args:
            folder: Absolute.
            path: Relative to the root, with a trailing slash, or "" for the root itself.
            names: The entries of the folder, so that no file is looked for that is not there.
        """
        chain, strip = self, len(path)
        if ".git" in names:  # a repository of its own: what lies above has no say, as in git
            chain = replace(chain, git=())._with(git_exclude_file(folder), "", strip)
        for name in (".gitignore", ".codeseekignore"):
            if name in names:
                chain = chain._with(folder / name, "", strip)
        return chain


class ChainReader:
    """The chains of single folders, read when they are asked for; only those on the way to the last one are held."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._way: list[tuple[str, IgnoreChain]] = []

    def chain_of(self, folder: str) -> IgnoreChain:
        """The rules that hold in `folder`, a path relative to the root with a trailing slash, or "" for the root."""
        if not self._way:
            self._way.append(("", self._enter(IgnoreChain.of_root(self._root), "")))
        while not folder.startswith(self._way[-1][0]):
            self._way.pop()
        path, chain = self._way[-1]
        for part in folder[len(path) :].split("/")[:-1]:
            path += f"{part}/"
            chain = self._enter(chain, path)
            self._way.append((path, chain))
        return chain

    def _enter(self, chain: IgnoreChain, path: str) -> IgnoreChain:
        folder = self._root / path
        names = [name for name in (".git", ".gitignore", ".codeseekignore") if os.path.lexists(folder / name)]
        return chain.enter(folder, path, names)


def _load(path: Path | None, max_cost: int = CHAIN_MAX_PATTERNS) -> Rules:
    """The rules of one file; none where it is missing, unreadable or a link (git does not follow those either)."""
    data = None
    if path is not None and max_cost > 0:
        data = _read(path, IGNORE_FILE_MAX_BYTES, follow=path.name not in (".gitignore", ".codeseekignore"))
    if data is None:
        return Rules(())
    lines = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
    patterns = (line for line in lines if line.strip() and not line.startswith("#") and len(line) <= PATTERN_MAX_CHARS)
    return Rules(islice(patterns, max_cost), max_cost)  # lines that are none after all cost time too


def _read(path: Path, max_bytes: int, *, follow: bool) -> bytes | None:
    """The head of a regular file; None for anything else, which is neither waited for nor left open."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
    except (OSError, ValueError):  # a NUL in the name that a `.git` file gives
        return None
    try:
        return os.read(descriptor, max_bytes) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def git_exclude_file(top: Path) -> Path | None:
    """`info/exclude` of the repository at `top`; a linked worktree and a submodule keep theirs in the common folder."""
    git = top / ".git"
    if git.is_dir():
        return git / "info" / "exclude"
    data = _read(git, GIT_FILE_MAX_BYTES, follow=True)
    if data is None or not data.startswith(b"gitdir:"):
        return None
    git = top / os.fsdecode(data.removeprefix(b"gitdir:").strip(b"\n").strip())
    common = _read(git / "commondir", GIT_FILE_MAX_BYTES, follow=True)
    if common is not None:
        git = git / os.fsdecode(common.strip())
    return git / "info" / "exclude"


def _user_excludes() -> Path | None:
    """The file that the user's own git configuration names; a repository's configuration is not trusted to."""
    home = Path(os.path.expanduser("~"))
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    named = os.environ.get("GIT_CONFIG_GLOBAL")
    files = [Path(named)] if named else [home / ".gitconfig", config_home / "git" / "config"]
    for file in [*files, Path("/etc/gitconfig")]:
        try:
            text = file.read_text("utf-8", "surrogateescape")
        except OSError:
            continue
        value = _core_excludes(text)
        if value is not None:
            return Path(os.path.expanduser(value)) if value else None
    return config_home / "git" / "ignore"


def _core_excludes(text: str) -> str | None:
    """`core.excludesFile` in git's configuration syntax, the last one counting."""
    section, value = "", None
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.partition("]")[0].strip("[ ").lower()
        elif section == "core":
            key, _, rest = line.partition("=")
            if key.strip().lower() == "excludesfile":
                value = rest.strip().strip('"')
    return value


class Globs:
    """Globs as in ripgrep's `-g`: the last match wins, a leading `!` excludes; with none but exclusions the rest stays.

    Raises:
        UsageError: If a glob cannot be read.
    """

    def __init__(self, globs: Sequence[str]) -> None:
        self._patterns: list[tuple[bool, re.Pattern[str]]] = []
        for glob in globs:
            include = not glob.startswith("!")
            for expanded in expand_braces(glob.removeprefix("!").removeprefix("./")):
                source = translate(expanded.removesuffix("/")) if expanded.strip("/") else None
                if source is None:
                    raise UsageError(f"cannot read the glob {glob!r}", hint="close its brackets, quote it: -g '*.py'")
                tail = "/.*" if expanded.endswith("/") else "(?:/.*)?"
                self._patterns.append((include, re.compile(f"(?:{source}){tail}", re.DOTALL)))
        self._default = not any(include for include, _ in self._patterns)

    def matches(self, path: str) -> bool:
        """Whether a file at `path`, relative to the root, is kept."""
        for include, pattern in reversed(self._patterns):
            if pattern.fullmatch(path):
                return include
        return self._default
