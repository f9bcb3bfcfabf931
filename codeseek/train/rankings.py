"""What a retriever found, or what a teacher scored, for each query; see `data` for the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codeseek.errors import DataError
from codeseek.train.data import TrainingSet, iter_json_lines

__all__ = ["Ranking", "TeacherScores", "load_ranking"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a retriever or a teacher said, a row a query.

    Args:
        documents: [Q, depth] int32 rows of the documents, best first; -1 where the list ended.
        scores: [Q, depth] float32, NaN where there is no document.
        positive_scores: [Q] float32, the same judge's score of the query's own positive; NaN where it is not known.
    """

    documents: np.ndarray
    scores: np.ndarray
    positive_scores: np.ndarray


def load_ranking(path: Path, training: TrainingSet, depth: int) -> Ranking:
    """Reads a ranking of the training set's queries.

    A query without a line has an empty row; a line of an unknown query is passed over, so that one file can serve
    several splits. A positive that stands in its own list is found there for `positive_scores`.

    Args:
        path: JSON lines.
        training: The pairs and documents that its ids refer to.
        depth: Documents kept of each list.

    Raises:
        FileError: If the file cannot be read.
        DataError: If a line is malformed, names an unknown document, or the file ranks none of the queries.
    """
    queries = {identifier: row for row, identifier in enumerate(training.query_ids)}
    rows: dict[str, int] = {}
    for row, identifier in enumerate(training.document_ids):
        rows.setdefault(identifier, row)
    documents = np.full((len(training), depth), -1, np.int32)
    scores = np.full((len(training), depth), np.nan, np.float32)
    positive_scores = np.full(len(training), np.nan, np.float32)
    found = 0
    for number, record in iter_json_lines(path):
        query = queries.get(str(record.get("query_id")))
        if query is None:
            continue
        found += 1
        names, values = record.get("documents"), record.get("scores")
        if not isinstance(names, list) or not isinstance(values, list) or len(names) != len(values):
            raise DataError(f"{path}:{number} fields 'documents' and 'scores' are not lists of the same length")
        try:
            listed = [rows[name] for name in names[:depth]]
            documents[query, : len(listed)] = listed
            scores[query, : len(listed)] = values[:depth]
        except KeyError as error:
            raise DataError(
                f"{path}:{number} field 'documents' names the unknown document {error}",
                hint="name the file of all documents: --documents FILE",
            ) from error
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}:{number} field 'scores' holds something that is no number") from error
        own = training.document_ids[training.positive[query]]
        if isinstance(record.get("positive_score"), int | float):
            positive_scores[query] = record["positive_score"]
        elif own in names:
            positive_scores[query] = values[names.index(own)]
    if not found:
        raise DataError(f"{path} ranks none of the {len(training)} queries")
    return Ranking(documents, scores, positive_scores)


class TeacherScores:
    """Soft labels from a ranking: whatever the sampler draws, the score is found if the teacher gave one."""

    def __init__(self, training: TrainingSet, ranking: Ranking) -> None:
        self._documents = len(training.document_ids)
        queries, places = np.nonzero(ranking.documents >= 0)
        positives = np.flatnonzero(~np.isnan(ranking.positive_scores))
        # The positives come first, so that of two scores of one pair the positive's own wins.
        listed = self._keys(queries, ranking.documents[queries, places])
        keys = np.concatenate([self._keys(positives, training.positive[positives]), listed])
        scores = np.concatenate([ranking.positive_scores[positives], ranking.scores[queries, places]])
        self._ordered, first = np.unique(keys, return_index=True)
        self._scores = scores[first]

    def lookup(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """Args:
            queries: [B] rows of queries.
            documents: [B, M] rows of documents, -1 for none.

        Returns:
            [B, M] float32; NaN where the teacher said nothing.
        """
        if not len(self._ordered):
            return np.full(documents.shape, np.nan, np.float32)
        keys = self._keys(queries[:, None], documents)
        place = np.minimum(np.searchsorted(self._ordered, keys), len(self._ordered) - 1)
        known = (self._ordered[place] == keys) & (documents >= 0)
        return np.where(known, self._scores[place], np.float32(np.nan))

    def _keys(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        return queries.astype(np.int64) * self._documents + documents
