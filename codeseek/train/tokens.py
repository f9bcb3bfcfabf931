"""Token ids of many texts in one flat file: written once, mapped ever after.

A corpus of 100,000 functions at 160 tokens is 32 MB of uint16 on disk and almost nothing in memory, and a training step
reads rows from it without touching a tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codeseek.encoders.tokens import MAX_CHARS_PER_TOKEN

__all__ = ["Encode", "TokenTable", "TokenWriter"]

# Texts and a maximum in, token ids without special tokens out.
Encode = Callable[[Sequence[str], int], list[list[int]]]

# Tokenizers are quickest on batches of about a thousand texts (unmeasured here).
ENCODE_BATCH_TEXTS = 1024


@dataclass(frozen=True, slots=True)
class TokenTable:
    """Rows of token ids without special tokens.

    Args:
        ids: [sum of lengths] uint16 or uint32, mapped from disk.
        offsets: [N + 1] int64; row i is `ids[offsets[i]:offsets[i + 1]]`.
    """

    ids: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """[N] int64."""
        return np.diff(self.offsets)

    @classmethod
    def open(cls, stem: Path) -> TokenTable:
        """Maps what a `TokenWriter` of the same stem wrote."""
        offsets = np.load(stem.with_suffix(".offsets.npy"))
        if offsets[-1] == 0:
            return cls(np.zeros(0, np.uint16), offsets)
        dtype = np.load(stem.with_suffix(".dtype.npy")).dtype
        return cls(np.memmap(stem.with_suffix(".ids"), dtype=dtype, mode="r"), offsets)

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> TokenTable:
        """A table in memory."""
        lengths = np.array([0, *(len(row) for row in rows)], np.int64)
        flat = np.concatenate([np.asarray(row, np.uint32) for row in rows]) if rows else np.zeros(0, np.uint32)
        return cls(flat, np.cumsum(lengths))


class TokenWriter:
    """Tokenises texts in batches and appends them to a file, in the order given; a context closes it on failure."""

    def __init__(self, stem: Path, encode: Encode, max_tokens: int, vocabulary_size: int) -> None:
        self._stem, self._encode, self._max_tokens = stem, encode, max_tokens
        self._dtype = np.dtype(np.uint16 if vocabulary_size <= 1 << 16 else np.uint32)
        self._file = stem.with_suffix(".ids").open("wb")
        self._pending: list[str] = []
        self._lengths: list[int] = []
        self.rows = 0

    def add(self, text: str) -> int:
        """Returns the row that the text will have."""
        self._pending.append(text[: self._max_tokens * MAX_CHARS_PER_TOKEN])
        self.rows += 1
        if len(self._pending) >= ENCODE_BATCH_TEXTS:
            self._flush()
        return self.rows - 1

    def __enter__(self) -> TokenWriter:
        return self

    def __exit__(self, *failure: object) -> None:
        self._file.close()

    def close(self) -> TokenTable:
        """Writes what is pending and maps the whole."""
        self._flush()
        self._file.close()
        np.save(self._stem.with_suffix(".offsets.npy"), np.cumsum([0, *self._lengths], dtype=np.int64))
        np.save(self._stem.with_suffix(".dtype.npy"), np.zeros(0, self._dtype))
        return TokenTable.open(self._stem)

    def _flush(self) -> None:
        if not self._pending:
            return
        rows = self._encode(self._pending, self._max_tokens)
        self._lengths.extend(len(row) for row in rows)
        self._file.write(np.concatenate([np.asarray(row, self._dtype) for row in rows]).tobytes())
        self._pending = []
