"""Which queries meet in a batch."""

from __future__ import annotations

import numpy as np

from codeseek.train.data import TrainingSet

__all__ = ["epoch_batches", "epoch_random"]

# Batches whose queries are sorted by length together: enough for little padding, few enough to stay random.
BUCKET_BATCHES = 50


def epoch_random(seed: int, epoch: int, *step: int) -> np.random.Generator:
    """The generator of an epoch or a step: a function of its arguments, so resuming needs no state."""
    return np.random.default_rng([seed, epoch, *step])


def epoch_batches(training: TrainingSet, size: int, seed: int, epoch: int, *, alike: float = 0.0) -> list[np.ndarray]:
    """Splits an epoch into batches.

    No two queries of a batch have the same text, and no two of their documents: either would make a positive serve as a
    negative. Within a stretch of batches, queries are sorted by the length of their document, so little is padded; the
    batches are shuffled afterwards. What does not fill a batch at the end waits for the next epoch.

    Args:
        training: The pairs.
        size: Queries a batch.
        seed: Of the run.
        epoch: 0-based.
        alike: Share of the stretches that are sorted by repository instead: their in-batch negatives come from the
            place where search happens.

    Returns:
        Arrays [size] of rows of queries.
    """
    random = epoch_random(seed, epoch)
    order = random.permutation(len(training))
    lengths = training.documents.lengths[training.positive]
    home = training.repository[training.positive]
    batches: list[np.ndarray] = []
    waiting: list[int] = []
    stretch = size * BUCKET_BATCHES
    for start in range(0, len(order), stretch):
        rows = np.concatenate([np.array(waiting, order.dtype), order[start : start + stretch]])
        by = home if random.random() < alike else lengths
        found, waiting = _distinct_batches(training, rows[np.argsort(by[rows], kind="stable")], size)
        batches += found
    random.shuffle(batches)
    return batches


def _distinct_batches(training: TrainingSet, rows: np.ndarray, size: int) -> tuple[list[np.ndarray], list[int]]:
    """Fills batches in order; a query that does not fit waits for the next batch. Returns what is left over, too."""
    queries = training.query_hash[rows].tolist()
    documents = training.document_hash[training.positive[rows]].tolist()
    batches: list[np.ndarray] = []
    remaining = list(range(len(rows)))
    while len(remaining) >= size:
        chosen: list[int] = []
        seen: set[int] = set()
        seen_documents: set[int] = set()
        deferred: list[int] = []
        for place, item in enumerate(remaining):
            if queries[item] in seen or documents[item] in seen_documents:
                deferred.append(item)
                continue
            seen.add(queries[item])
            seen_documents.add(documents[item])
            chosen.append(item)
            if len(chosen) == size:
                remaining = deferred + remaining[place + 1 :]
                break
        else:
            break
        batches.append(rows[chosen])
    return batches, rows[remaining].tolist()
