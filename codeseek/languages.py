"""Languages: what `grammars/` says about them, their parsers and their queries.

The only module that imports tree-sitter and its wheels, each wheel when a file first needs it. `load_languages` reads
the small TOML files alone, so that listing and detecting languages stays cheap.
"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeseek.errors import REINSTALL, GrammarError
from codeseek.memory import peak_memory_bytes
from codeseek.types import Kind

if TYPE_CHECKING:
    from tree_sitter import Language as Grammar
    from tree_sitter import Node, Query

__all__ = ["Language", "SyntaxTree", "detect_language", "find_grammars", "load_languages"]

# Bytes of a file that detection looks at: a licence header of 4 KiB and the first declarations fit in.
HEAD_BYTES = 16_384
# Seconds of its thread that parsing one file may take. Ordinary code parses at 5 to 20 MB/s; what takes seconds is
# generated or not in the language that its name promises.
PARSE_TIMEOUT_S = 2.0
PARSE_MAX_BYTES = 512 << 20  # more than the process ever took; a megabyte of code takes some 50 MB
# What the parser asks for at a time; measured on pydantic: no slower than handing over the whole file.
READ_BYTES = 16_384
# More brackets than this left open make a file hopeless to parse.
MAX_UNCLOSED = 2_000
# Definitions deeper in the tree than this are not looked for: a query keeps a state for each level that it is below, so
# that its time grows with the square of the depth. 30 kB of dots, read as Elixir, took 17 s, and take 0.1 s.
QUERY_MAX_DEPTH = 500

CAPTURES = (
    *(f"definition.{kind}" for kind in Kind if kind not in (Kind.CODE, Kind.TEXT)),
    *("container", "name", "body", "scope", "documentation", "comment", "attribute", "wrapper", "reparsed"),
)
# Definitions in so many calls of macros, one in the other, are found, and those of so many calls at each depth.
REPARSED_MAX_DEPTH = 3
REPARSED_MAX_NODES = 1_000

Captures = dict[str, list["Node"]]


@dataclass(frozen=True, slots=True)
class Language:
    """One language as its folder in `grammars/` describes it; `grammars/README.md` explains every field.

    `function` names the grammar inside the wheel; for a variant (TSX) it differs while `name` stays.
    """

    name: str
    title: str
    extensions: tuple[str, ...]
    folder: Path
    module: str
    function: str = "language"
    filenames: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ()
    constructors: tuple[str, ...] = ()
    ignored_scopes: tuple[str, ...] = ()
    join: tuple[str, ...] = ()
    documentation: str = ""
    variants: tuple[tuple[str, str], ...] = ()
    claims: tuple[tuple[str, str], ...] = ()

    def parse(self, data: bytes) -> SyntaxTree | None:
        """Parses a file; None when that takes more than `PARSE_TIMEOUT_S` or `PARSE_MAX_BYTES`.

        Raises:
            GrammarError: If the wheel is missing or the query does not compile against it.
        """
        return _parse(self, data)

    def check(self) -> None:
        """Compiles grammar and query, as `doctor` does.

        Raises:
            GrammarError: If the wheel is missing or the query does not compile against it.
        """
        _load_query(self)


@dataclass(frozen=True, slots=True)
class SyntaxTree:
    """A parsed file: the root node and the matches of the language's query, as (pattern number, nodes by capture).

    Matches in what was parsed again (`@reparsed`) are among them; their nodes are not below the root.
    """

    root: Node
    matches: list[tuple[int, Captures]]
    names: Mapping[int, str]
    """Names that patterns give to nameless definitions: `(#set! name "default")`."""


def find_grammars() -> Path:
    """Folder with one folder a language: inside an installed wheel, or beside the package in a source tree.

    Raises:
        GrammarError: If it is in neither place.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "grammars", package.parent / "grammars"):
        if folder.is_dir():
            return folder
    raise GrammarError(f"no grammars beside {package}", hint=REINSTALL)


@lru_cache(maxsize=1)
def load_languages() -> dict[str, Language]:
    """Every language by name, in alphabetical order. Reads only `language.toml`; no grammar is imported.

    Raises:
        GrammarError: If a language.toml cannot be read.
    """
    folders = sorted(path.parent for path in find_grammars().glob("*/language.toml"))
    return {folder.name: read_language(folder) for folder in folders}


def read_language(folder: Path) -> Language:
    """The language of one folder.

    Raises:
        GrammarError: If its language.toml is not valid, names another language than the folder, or has unknown keys.
    """
    path = folder / "language.toml"
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GrammarError(f"cannot read {path}: {error}") from error
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    tables = {key: tuple(value.items()) for key, value in table.items() if isinstance(value, dict)}
    try:
        language = Language(folder=folder, **{**table, **lists, **tables})
        for _, pattern in language.claims:
            re.compile(pattern.encode())
    except (TypeError, re.error) as error:
        raise GrammarError(f"cannot use {path}: {error}", hint="see grammars/README.md for its keys") from error
    if language.name != folder.name:
        raise GrammarError(f"{path} names {language.name!r}, its folder {folder.name!r}")
    return language


# ------------------------------------------------------------------------------------------------------------ detection


def detect_language(path: str, head: bytes) -> Language | None:
    """The language of a file by its whole name, its extension, or the interpreter in its first line.

    Args:
        path: With forward slashes; only its last part counts.
        head: The file's first bytes; the first `HEAD_BYTES` are looked at.

    Returns:
        None for a file that no grammar reads. A variant (TSX) has the name of its language and its own grammar.
    """
    table = _detection()
    filename = path.rpartition("/")[2]
    if filename in table.filenames:
        return table.filenames[filename]
    extension = _extension(filename)
    for pattern, language in table.claims.get(extension, ()):
        if pattern.search(head[:HEAD_BYTES]):
            return language
    if extension in table.extensions:
        language = table.extensions[extension]
        # Qt's translations, such as app_de.ts, are no TypeScript. PHP may begin with the XML that it prints.
        is_xml = head.removeprefix(b"\xef\xbb\xbf").startswith(b"<?xml") and language.name != "php"
        return None if is_xml else language
    if not extension and head.startswith(b"#!"):
        return table.interpreters.get(_interpreter(head))
    return None


@dataclass(frozen=True, slots=True)
class _Detection:
    filenames: Mapping[str, Language]
    extensions: Mapping[str, Language]
    interpreters: Mapping[str, Language]
    claims: Mapping[str, list[tuple[re.Pattern[bytes], Language]]]


@lru_cache(maxsize=1)
def _detection() -> _Detection:
    table = _Detection({}, {}, {}, {})
    for language in load_languages().values():
        table.filenames.update(dict.fromkeys(language.filenames, language))
        table.interpreters.update(dict.fromkeys(language.interpreters, language))
        for extension in language.extensions:
            if extension in table.extensions:
                other = table.extensions[extension].name
                raise GrammarError(f"both {other} and {language.name} have the extension {extension}")
            table.extensions[extension] = language
        for extension, function in language.variants:
            table.extensions[extension] = replace(language, function=function)
        for extension, pattern in language.claims:
            table.claims.setdefault(extension, []).append((re.compile(pattern.encode(), re.MULTILINE), language))
    return table


def _extension(filename: str) -> str:
    stem, dot, extension = filename.rpartition(".")
    return "." + extension.lower() if dot and stem else ""


def _interpreter(head: bytes) -> str:
    """`python` of `#!/usr/bin/env -S python3.11 -u`."""
    line = head[2:256].partition(b"\n")[0].decode("latin-1")
    programs = [word.rpartition("/")[2] for word in line.split() if not word.startswith("-") and "=" not in word]
    if programs[:1] == ["env"]:
        del programs[0]
    return programs[0].rstrip("0123456789.-") if programs else ""


# -------------------------------------------------------------------------------------------------------------- parsing


@cache
def _load_grammar(module: str, function: str) -> Grammar:
    import tree_sitter

    try:
        return tree_sitter.Language(getattr(import_module(module), function)())
    except ImportError as error:
        raise GrammarError(f"cannot import {module}: {error}", hint=REINSTALL) from error
    except (AttributeError, ValueError) as error:
        raise GrammarError(f"cannot use {function}() of {module}: {error}", hint=REINSTALL) from error


@cache
def _load_query(language: Language) -> tuple[Grammar, Query, Mapping[int, str]]:
    import tree_sitter

    grammar = _load_grammar(language.module, language.function)
    path = language.folder / "chunks.scm"
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GrammarError(f"cannot read {path}: {error}") from error
    marks = {"comment": language.comments, "attribute": language.attributes, "wrapper": language.wrappers}
    nodes = "\n".join(f"({node}) @{capture}" for capture, types in marks.items() for node in types)
    try:
        query = tree_sitter.Query(grammar, source + "\n" + nodes)
    except (tree_sitter.QueryError, ValueError) as error:
        # The message holds row and column, counted from 0.
        raise GrammarError(
            f"the {language.name} query {path} does not compile against {language.module}.{language.function}: {error}",
            hint=REINSTALL,
        ) from error
    _check_captures(language, query)
    names = {}
    for pattern in range(query.pattern_count):
        name = query.pattern_settings(pattern).get("name")
        if name is not None:
            names[pattern] = name
    return grammar, query, names


def _check_captures(language: Language, query: Query) -> None:
    """A misspelt capture would be ignored in silence."""
    for number in range(query.capture_count):
        capture = query.capture_name(number)
        if capture not in CAPTURES and not capture.startswith("_"):
            nearest = get_close_matches(capture, CAPTURES, 1)
            raise GrammarError(
                f"the {language.name} query {language.folder / 'chunks.scm'} has an unknown capture @{capture}",
                hint=f"nearest known one: @{nearest[0]}" if nearest else "see grammars/README.md for the captures",
            )


def _parse(language: Language, data: bytes) -> SyntaxTree | None:
    import tree_sitter

    grammar, query, names = _load_query(language)
    if _is_hopeless(data):
        return None
    # Of this thread's own time, so that a busy machine cuts a file as an idle one does. An ambiguous grammar can take
    # 1.5 GB a second for hostile input.
    memory_limit = peak_memory_bytes() + PARSE_MAX_BYTES
    deadline = time.thread_time() + PARSE_TIMEOUT_S
    parser = tree_sitter.Parser(grammar)

    def parse() -> Node:
        return parser.parse(
            lambda offset, _: data[offset : offset + READ_BYTES],
            progress_callback=lambda *_: time.thread_time() > deadline or peak_memory_bytes() > memory_limit,
        ).root_node

    def find(node: Node) -> list[tuple[int, Captures]]:
        cursor = tree_sitter.QueryCursor(query)
        cursor.set_max_start_depth(QUERY_MAX_DEPTH)
        # The cursor takes a progress callback too, but py-tree-sitter 0.26.1 crashes the process when one is given.
        return cursor.matches(node)

    try:
        root = parse()
        matches = found = find(root)
        for _ in range(REPARSED_MAX_DEPTH):
            inner: list[tuple[int, Captures]] = []
            nodes = [node for _, captures in found for node in captures.get("reparsed", ())]
            for node in nodes[:REPARSED_MAX_NODES]:
                opening, closing = node.children[0], node.children[-1]
                parser.included_ranges = [
                    tree_sitter.Range(opening.end_point, closing.start_point, opening.end_byte, closing.start_byte)
                ]
                again = parse()
                if not again.has_error:
                    inner += find(again)
            matches, found = matches + inner, inner
    except ValueError:  # stopped by the callback
        return None
    return SyntaxTree(root, matches, names)


def _is_hopeless(data: bytes) -> bool:
    """Whether so many brackets stay open that parser and query would take time in the square of their number.

    Neither stops in time there: 20,000 times `a<` takes the Java grammar 30 s, 100,000 open brackets the query 17 s.
    """
    unclosed = sum(map(data.count, (b"(", b"[", b"{"))) - sum(map(data.count, (b")", b"]", b"}")))
    # Comparisons and shifts open nothing, so that angle brackets need a higher limit.
    return unclosed > MAX_UNCLOSED or data.count(b"<") - data.count(b">") > 2 * MAX_UNCLOSED
