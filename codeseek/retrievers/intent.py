"""What kind of query a worded one is, by its words alone: two questions with weights of their own (`fusion.Blend`).

Does it ask for a component (a file, a class) or for one function in it? "CORS middleware for cross-origin requests"
wants the file that holds it, "give up after three failed attempts" a function. Names of files and types decide the
one, meaning and coverage the other.

Does it describe code as its documentation does, or ask as a developer does? "Returns the number of pending jobs" says
in full what a function is, so its meaning can be trusted; of "how many jobs are waiting" each word counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_WORD = re.compile(r"[a-z]+")


def intent_features(text: str) -> list[str]:
    """The features of a query: its words once each, its first word again, and how long it is."""
    words = _WORD.findall(text.lower())
    if not words:
        return []
    return [*dict.fromkeys(words), f"^{words[0]}", f"#{min(len(words), 12)}"]


def word_probability(text: str, weights: Mapping[str, float]) -> float:
    """The probability that the answer to one of the questions is yes.

    Args:
        text: The query.
        weights: Log-odds by feature and the "bias"; an empty mapping gives 0.
    """
    if not weights:
        return 0.0
    total = weights.get("bias", 0.0) + sum(weights.get(feature, 0.0) for feature in intent_features(text))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))
