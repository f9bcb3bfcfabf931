"""AdvTest (CodeXGLUE): Python functions whose identifiers are normalised, so that names cannot be matched.

    train.jsonl             docstring_tokens, code_tokens, original_string or code, url
    valid.jsonl test.jsonl  docstring_tokens, function_tokens, function, url; the split itself is the pool

`normalise_identifiers` makes the same perturbation of any Python function: its name becomes `Func`, its parameters and
local names become `arg_0`, `arg_1`, … in the order in which they appear.
"""

from __future__ import annotations

import ast
import io
import json
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path

from codeseek.errors import DataError, FileError
from codeseek.evaluate.datasets import DataSet, Part
from codeseek.evaluate.datasets.csn import read_code
from codeseek.evaluate.datasets.records import text_field, words_field
from codeseek.evaluate.functions import function_chunk
from codeseek.train.data import iter_json_lines
from codeseek.types import Chunk

__all__ = ["load_advtest", "normalise_identifiers", "perturb_pairs"]


def load_advtest(folder: Path, split: str) -> DataSet:
    """Reads a split, whose functions are the pool.

    Raises:
        FileError, DataError: As `load_dataset`.
    """
    path = folder / f"{split}.jsonl"
    queries: dict[str, str] = {}
    documents: dict[str, Chunk] = {}
    qrels: dict[str, dict[str, float]] = {}
    for line, record in iter_json_lines(path):
        url = text_field(path, line, record, "url")
        if url in documents:
            raise DataError(f"{path}:{line} field 'url' repeats {url}")
        query_id = f"{split}-{line}"
        queries[query_id] = words_field(path, line, record, "docstring_tokens")
        documents[url] = function_chunk(url, "python", read_code(path, line, record), documented=False)
        qrels[query_id] = {url: 1.0}
    if not queries:
        raise DataError(f"{path} holds no queries")
    notes = ("the published pool of the test split is all of its 19,210 functions",)
    return DataSet("advtest", (Part("python", queries, documents, qrels),), averaged=False, notes=notes)


def perturb_pairs(source: Path, target: Path) -> tuple[int, int]:
    """Writes the pairs of `source` with normalised identifiers, in the layout of AdvTest's test split.

    Args:
        source: JSON lines with `docstring_tokens` (or `query`), and `original_string`, `code` or `document`; `url`
            where there is one.
        target: Written anew.

    Returns:
        How many pairs were written, and how many were left out because their code is not valid Python.

    Raises:
        FileError, DataError: If a file cannot be read or written, or a record lacks a field.
    """
    written = left_out = 0
    try:
        with target.open("w", encoding="utf-8") as file:
            for line, record in iter_json_lines(source):
                query_field = "docstring_tokens" if "docstring_tokens" in record else "query"
                query = words_field(source, line, record, query_field)
                code = (
                    text_field(source, line, record, "document")
                    if "document" in record
                    else read_code(source, line, record)
                )
                normalised = normalise_identifiers(code)
                if normalised is None:
                    left_out += 1
                    continue
                tokens = [token.string for token in _tokens(normalised) if token.string.strip()]
                pair = {
                    "url": str(record.get("url", f"{source.name}#L{line}")),
                    "docstring_tokens": query.split(),
                    "function": normalised,
                    "function_tokens": tokens,
                    "idx": written,
                }
                file.write(json.dumps(pair, ensure_ascii=False) + "\n")
                written += 1
    except OSError as error:
        raise FileError(f"cannot write {target}: {error.strerror or error}") from error
    return written, left_out


def normalise_identifiers(code: str) -> str | None:
    """The function with `Func` for its name and `arg_<n>` for its parameters and local names.

    Attributes keep their names, and so do strings, comments and whatever the function does not bind itself; keywords of
    a call are replaced where they are spelt as a local name, as in the published data.

    Returns:
        None where the code is not one valid Python function.
    """
    source = textwrap.dedent(code)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    function = next((node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)), None)
    if function is None:
        return None
    names = {function.name: "Func"}
    for name in _bound_names(function):
        names.setdefault(name, f"arg_{len(names) - 1}")
    lines = source.splitlines(keepends=True)
    previous = ""
    edits = []
    for token in _tokens(source):
        if token.type == tokenize.NAME and token.string in names and previous != ".":
            edits.append((token.start, len(token.string), names[token.string]))
        if token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT):
            previous = token.string
    for (row, column), length, name in reversed(edits):
        line = lines[row - 1]
        lines[row - 1] = line[:column] + name + line[column + length :]
    return "".join(lines)


def _tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(source).readline)


def _bound_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Parameters, then every name that is bound inside, in the order of the source; not `global` and `nonlocal`
    ones."""
    elsewhere: set[str] = set()
    bound: list[tuple[int, int, str]] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere.update(node.names)
        elif isinstance(node, ast.arg):
            bound.append((node.lineno, node.col_offset, node.arg))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.append((node.lineno, node.col_offset, node.id))
        elif isinstance(node, ast.ExceptHandler | ast.FunctionDef | ast.AsyncFunctionDef) and node is not function:
            bound.append((node.lineno, node.col_offset, node.name or ""))
    return [name for _, _, name in sorted(bound) if name and name not in elsewhere]
