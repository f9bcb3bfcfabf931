"""What a path alone tells of how likely its file is the one that somebody asks for.

Whoever asks how a thing works wants the file that does it, seldom a header beside the source, a page of prose, a list
of types or the base of a dozen siblings. Which words, folders and extensions tell so is fitted to queries for
components over many repositories (`tests/benchmarks/fit_paths.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from codeseek.words import singular, split_identifier

__all__ = ["path_features", "path_prior"]

EXTENSION_MAX_CHARS = 12
DEPTH_MAX = 6


@lru_cache(maxsize=65536)
def path_features(path: str) -> tuple[str, ...]:
    """The features of a path below the root: its extension, the words of its name and of its folders, its depth."""
    *folders, name = path.split("/")
    name = name.lstrip(".") or name
    stem = name.split(".")[0] or name
    extension = name[len(stem) :].lower()
    found = [f"extension:{extension}"] if len(extension) < EXTENSION_MAX_CHARS else []
    found += [f"stem:{word}" for word in _words(stem)]
    found += [f"folder:{word}" for folder in folders for word in _words(folder)]
    return tuple(dict.fromkeys([*found, f"depth:{min(len(folders), DEPTH_MAX)}"]))


def path_prior(path: str, weights: Mapping[str, float]) -> float:
    """The sum of the weights of its features, in nats; 0 where nothing is known of them."""
    return sum(weights.get(feature, 0.0) for feature in path_features(path))


def _words(name: str) -> list[str]:
    return [singular(word.lower()) for word in split_identifier(name)]
