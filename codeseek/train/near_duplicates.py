"""Near-duplicates by MinHash: documents that share most of their shingles, found without comparing all pairs.

A signature holds, for each of `BANDS * ROWS` hash functions, the least hash of the document's shingles; the share of
equal entries of two signatures estimates the Jaccard similarity (Broder 1997). Documents with an equal band are
compared: at 0.8 similar 99.9 % of the pairs have one, at 0.5 a quarter.
"""

from __future__ import annotations

import re
import zlib

import numpy as np

__all__ = ["NearDuplicates", "signature"]

SHINGLE_WORDS = 3
BANDS, ROWS = 18, 5
SIMILARITY = 0.8  # estimated Jaccard from which two documents count as one
_PRIME = np.uint64((1 << 31) - 1)  # products of two such numbers fit 64 bits
_WORD = re.compile(r"\w+|[^\w\s]")


def _functions() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(20)
    count = BANDS * ROWS
    return (
        random.integers(1, int(_PRIME), (count, 1), dtype=np.uint64),
        random.integers(0, int(_PRIME), (count, 1), dtype=np.uint64),
    )


_FACTORS, _OFFSETS = _functions()


def signature(text: str) -> np.ndarray:
    """The MinHash signature of a text, [BANDS * ROWS] uint64; white space does not count."""
    words = _WORD.findall(text.lower())
    shingles = {" ".join(words[at : at + SHINGLE_WORDS]) for at in range(max(1, len(words) - SHINGLE_WORDS + 1))}
    hashes = np.fromiter((zlib.crc32(shingle.encode("utf-8", "replace")) for shingle in shingles), np.uint64)
    return ((_FACTORS * (hashes % _PRIME) + _OFFSETS) % _PRIME).min(axis=1)


class NearDuplicates:
    """The documents seen so far."""

    def __init__(self) -> None:
        self._signatures: list[np.ndarray] = []
        self._bands: dict[tuple[int, bytes], list[int]] = {}

    def __len__(self) -> int:
        return len(self._signatures)

    def add(self, text: str) -> bool:
        """Whether a document like `text` was added before; if not, it is added."""
        new = signature(text)
        keys = [(band, new[band * ROWS : (band + 1) * ROWS].tobytes()) for band in range(BANDS)]
        compared: set[int] = set()
        for key in keys:
            for row in self._bands.get(key, ()):
                if row not in compared and np.mean(self._signatures[row] == new) >= SIMILARITY:
                    return True
                compared.add(row)
        for key in keys:
            self._bands.setdefault(key, []).append(len(self._signatures))
        self._signatures.append(new)
        return False
