"""The CodeSearchNet challenge: queries whose functions people graded from 0 to 3.

    annotations.csv    Language,Query,GitHubUrl,Relevance,Notes
    functions.jsonl    url, language, code

Several judgements of one function are averaged, as the challenge does. A query ranks the functions that were graded for
it in one language; the figure is the mean of the languages.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from pathlib import Path

from codeseek.errors import DataError
from codeseek.evaluate.datasets import DataSet, Part
from codeseek.evaluate.datasets.records import read_text, text_field
from codeseek.evaluate.functions import function_chunk
from codeseek.train.data import iter_json_lines
from codeseek.types import Chunk

__all__ = ["load_csn99"]

MAX_RELEVANCE = 3
FIELDS = ("Language", "Query", "GitHubUrl", "Relevance")


def load_csn99(folder: Path) -> DataSet:
    """Reads annotations and functions.

    Raises:
        FileError, DataError: As `load_dataset`.
    """
    functions = _load_functions(folder / "functions.jsonl")
    grades = _load_grades(folder / "annotations.csv")
    judged = without_code = 0
    parts = []
    for language in sorted({language for language, _ in grades}):
        documents = functions.get(language, {})
        queries: dict[str, str] = {}
        qrels: dict[str, dict[str, float]] = {}
        for (of, query), by_url in grades.items():
            if of != language:
                continue
            judged += len(by_url)
            held = {url: sum(values) / len(values) for url, values in by_url.items() if url in documents}
            without_code += len(by_url) - len(held)
            # The challenge leaves out queries that nothing is relevant to.
            if any(value > 0 for value in held.values()):
                query_id = f"{language}-{len(queries)}"
                queries[query_id] = query
                qrels[query_id] = held
        if queries:
            allowed = {query_id: frozenset(held) for query_id, held in qrels.items()}
            parts.append(Part(language, queries, documents, qrels, allowed))
    if not parts:
        raise DataError(f"{folder / 'annotations.csv'} grades no function of functions.jsonl above 0")
    notes = (
        f"{without_code} of {judged} graded functions have no source here and are left out of ranking and ideal",
        "queries to which nothing is relevant in a language are left out, as the challenge does",
        "functions are read with their documentation, as the judges saw them; no path is read",
    )
    return DataSet("csn99", tuple(parts), averaged=True, within=True, notes=notes)


def _load_functions(path: Path) -> dict[str, dict[str, Chunk]]:
    functions: dict[str, dict[str, Chunk]] = defaultdict(dict)
    for line, record in iter_json_lines(path):
        language = text_field(path, line, record, "language").lower()
        url = text_field(path, line, record, "url")
        code = text_field(path, line, record, "code")
        if url in functions[language]:
            raise DataError(f"{path}:{line} field 'url' repeats {url}")
        functions[language][url] = function_chunk(url, language, code, documented=True)
    return functions


def _load_grades(path: Path) -> dict[tuple[str, str], dict[str, list[float]]]:
    """Judgements by language and query, then by URL."""
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""))
    missing = [field for field in FIELDS if field not in (rows.fieldnames or ())]
    if missing:
        raise DataError(f"{path}:1 has no field {missing[0]!r}, wanted {','.join(FIELDS)}")
    grades: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        language = text_field(path, rows.line_num, row, "Language").lower()
        query = text_field(path, rows.line_num, row, "Query")
        url = text_field(path, rows.line_num, row, "GitHubUrl")
        grade = row["Relevance"]
        if grade not in {str(value) for value in range(MAX_RELEVANCE + 1)}:
            raise DataError(f"{path}:{rows.line_num} field 'Relevance' holds {grade!r}, wanted 0 to {MAX_RELEVANCE}")
        grades[language, query][url].append(float(grade))
    return grades
