"""Fits the words by which a query asks for a component or for a function (`retrievers/intent.py`).

    python tests/benchmarks/fit_intent.py QUESTIONS.tsv ... --dev ../shared/questions/dev.tsv --blend blend.json
        [--write]

Logistic regression over words that at least `WORD_MIN_QUERIES` training queries hold. Styles file, class and concept
ask for components, intent, how, symptom and keywords for functions; symbol look-ups take no part.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from fit_blend import write_blend
from scipy.optimize import minimize

from codeseek.retrievers.intent import intent_features, word_probability
from codeseek.train.written_queries import SYMBOL_STYLE, load_questions

WORD_MIN_QUERIES = 25
PRIOR = 2.0
COMPONENT = {"file", "class", "concept"}


def load(paths: list[Path]) -> list[tuple[str, bool]]:
    questions = [question for asked in load_questions(paths).values() for question in asked]
    return [(one.text, one.style in COMPONENT) for one in questions if one.style != SYMBOL_STYLE]


def fit_words(queries: list[tuple[str, bool]]) -> dict[str, float]:
    """Log-odds by feature and the "bias", both answers weighing the same."""
    counts = Counter(feature for query, _ in queries for feature in intent_features(query))
    vocabulary = {word: place for place, word in enumerate(w for w, n in counts.items() if n >= WORD_MIN_QUERIES)}
    rows = [np.array([vocabulary[f] for f in intent_features(query) if f in vocabulary]) for query, _ in queries]
    labels = np.array([label for _, label in queries])
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    columns = np.concatenate(rows).astype(int)
    balance = np.where(labels, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = np.bincount(owners, weights[columns], len(rows)) + weights[-1]
        value = balance @ (np.logaddexp(0, logits) - labels * logits)
        error = balance * (1 / (1 + np.exp(-logits)) - labels)
        gradient = np.append(np.bincount(columns, error[owners], len(vocabulary)), error.sum())
        return value + PRIOR * weights @ weights / 2, gradient + PRIOR * weights

    found = minimize(loss, np.zeros(len(vocabulary) + 1), jac=True, method="L-BFGS-B").x
    weights = {word: round(float(found[place]), 3) for word, place in vocabulary.items() if abs(found[place]) >= 0.05}
    return dict(sorted((weights | {"bias": round(float(found[-1]), 3)}).items()))


def area_under_curve(scores: np.ndarray, labels: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(scores)) + 1.0
    positives = labels.sum()
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * (len(labels) - positives)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path, nargs="+")
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--blend", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    training = load(args.questions)
    weights = fit_words(training)
    held_out = load([args.dev])
    scores = np.array([word_probability(query, weights) for query, _ in held_out])
    truth = np.array([label for _, label in held_out])
    area = area_under_curve(scores, truth)
    print(f"{len(training)} queries, {len(weights)} features; dev: area under the curve {area:.3f}")
    print(f"mean probability: components {scores[truth].mean():.3f}, functions {scores[~truth].mean():.3f}")
    ordered = sorted(weights, key=lambda word: weights[word])
    print("function:", " ".join(ordered[:30]), "\ncomponent:", " ".join(ordered[-30:]))
    if args.write:
        blend = json.loads(args.blend.read_text()) if args.blend.exists() else {}
        write_blend(args.blend, blend | {"intent": weights})


if __name__ == "__main__":
    main()
