"""Whether a worded query asks for a component (a file, a class) or for one function in it, by its words alone.

"CORS middleware for cross-origin requests" wants the file that holds it, "give up after three failed attempts" a
function. Other weights serve each: names of files and types decide the one, meaning and coverage the other.
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


def component_probability(text: str, weights: Mapping[str, float]) -> float:
    """The probability that a query asks for a component.

    Args:
        text: The query.
        weights: Log-odds by feature and the "bias"; an empty mapping gives 0.
    """
    if not weights:
        return 0.0
    total = weights.get("bias", 0.0) + sum(weights.get(feature, 0.0) for feature in intent_features(text))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))
