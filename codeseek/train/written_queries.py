"""Questions written for definitions of a repository; `codeseek/train/questions/README.md` has the format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from codeseek.errors import DataError, FileError
from codeseek.train.documentation_queries import MinedQuery
from codeseek.train.mining_filters import Rejection
from codeseek.types import Chunk, Kind

__all__ = ["ComponentQuery", "Question", "load_component_queries", "load_questions", "match_questions"]

FIELDS = 6
COMPONENT_FIELDS = 5
WHOLE_FILE_STYLE = "file"
SYMBOL_STYLE = "symbol"
# A chunk answers where it overlaps the lines at least this well, as a share of the best one's overlap.
NEARLY_AS_GOOD = 0.6
NAME_BONUS = 0.3  # decides between a class and its only method
_UNNAMED = frozenset({Kind.CODE, Kind.TEXT, Kind.MODULE})


@dataclass(frozen=True, slots=True)
class Question:
    """A line of the file: the answer is `symbol` in the lines `first` to `last` (1-based, inclusive) of `path`.

    The style `file` asks for all of `path`, and for each file of `also` as well.
    """

    path: str
    first: int
    last: int
    symbol: str
    style: str
    text: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComponentQuery:
    """A line of `components.tsv`: the files `paths`, relative to the repository's main source folder, answer."""

    category: str
    paths: tuple[str, ...]
    text: str


def load_component_queries(paths: Iterable[Path]) -> dict[tuple[str, str], list[ComponentQuery]]:
    """Reads queries for files by repository (`owner+name`) and its main source folder.

    Raises:
        FileError: If a file cannot be read.
        DataError: If a line has not the fields, or an answer lies outside the source folder.
    """
    found: dict[tuple[str, str], list[ComponentQuery]] = {}
    for path, number, fields in _lines(paths):
        if len(fields) != COMPONENT_FIELDS:
            raise DataError(f"{path}:{number} is not repository, source folder, category, files, query")
        repository, folder, category, answers, text = fields
        try:
            inside = tuple(PurePosixPath(answer).relative_to(folder).as_posix() for answer in answers.split("|"))
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}") from error
        found.setdefault((repository, folder), []).append(ComponentQuery(category, inside, text))
    return found


def load_questions(paths: Iterable[Path]) -> dict[str, list[Question]]:
    """Reads questions by repository, named as the files name it: `owner+name`, or a short name.

    A line of `components.tsv` becomes a question of the style `file`.

    Raises:
        FileError: If a file cannot be read.
        DataError: If a line has not the fields.
    """
    found: dict[str, list[Question]] = {}
    for path, number, fields in _lines(paths):
        if len(fields) == COMPONENT_FIELDS:
            answers, text = fields[-2:]
            first, *also = answers.split("|")
            question = Question(first, 1, 1, "", WHOLE_FILE_STYLE, text, tuple(also))
        else:
            span = re.fullmatch(r"(\d+)-(\d+)", fields[2]) if len(fields) == FIELDS else None
            if span is None:
                raise DataError(f"{path}:{number} is not repository, path, first-last, symbol, style, query")
            question = Question(fields[1], int(span[1]), int(span[2]), *fields[3:])
        found.setdefault(fields[0], []).append(question)
    return found


def _lines(paths: Iterable[Path]) -> Iterator[tuple[Path, int, list[str]]]:
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"cannot read {path}: {error}") from error
        yield from ((path, number, line.split("\t")) for number, line in enumerate(lines, 1))


def match_questions(
    questions: Sequence[Question], files: dict[str, list[tuple[str, Chunk]]], rejected: Counter[Rejection]
) -> Iterator[MinedQuery]:
    """Yields the questions with the chunks that answer them, which best overlap their lines; `file` takes all.

    Args:
        questions: Of one repository.
        files: Its chunks with their ids, by path.
        rejected: Counts those whose answer is not there.
    """
    for question in questions:
        targets = _answers(question, files.get(question.path, ()))
        targets += tuple(name for path in question.also for name, _ in files.get(path, ()))
        if targets:
            kind = "symbol" if question.style == SYMBOL_STYLE else "question"
            yield MinedQuery(kind, question.text, targets)
        else:
            rejected[Rejection.NO_ANSWER] += 1


def _answers(question: Question, chunks: Sequence[tuple[str, Chunk]]) -> tuple[str, ...]:
    if question.style == WHOLE_FILE_STYLE:
        # Definitions first: the first chunk that answers is the one that a model learns from.
        return tuple(name for name, chunk in sorted(chunks, key=lambda entry: entry[1].kind in _UNNAMED))
    last_part = re.split(r"[.:#/]+", question.symbol)[-1].lower()
    fits = []
    for name, chunk in chunks:
        first, last = chunk.span.start_line, chunk.span.end_line
        shared = min(last, question.last) - max(first, question.first) + 1
        if shared > 0:
            overlap = shared / (max(last, question.last) - min(first, question.first) + 1)
            fits.append((overlap + NAME_BONUS * (chunk.name.lower() == last_part), name))
    best = max((fit for fit, _ in fits), default=0.0)
    return tuple(name for fit, name in sorted(fits, key=lambda entry: -entry[0]) if fit >= NEARLY_AS_GOOD * best)
