"""The door to `tokenizers`: texts to token ids, without importing transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codeseek.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["MAX_CHARS_PER_TOKEN", "encodable", "load_tokenizer", "token_ids"]

TOKENIZER_NAME = "tokenizer.json"
TOKENIZER_MAX_BYTES = 64 << 20

# What lies beyond so many characters a token cannot reach the model: the longest words of code are near it.
MAX_CHARS_PER_TOKEN = 20


def load_tokenizer(folder: Path) -> Tokenizer:
    """Loads `tokenizer.json` of a model's folder.

    Raises:
        ModelError: If it is missing, implausibly large or no tokenizer.
    """
    from tokenizers import Tokenizer

    path = folder / TOKENIZER_NAME
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ModelError(
            f"cannot load a tokenizer from {folder}: no {TOKENIZER_NAME}",
            hint="AutoTokenizer.from_pretrained(DIR, use_fast=True).save_pretrained(DIR) writes it",
        ) from error
    if size > TOKENIZER_MAX_BYTES:
        raise ModelError(f"cannot load {path}: {size} bytes, at most {TOKENIZER_MAX_BYTES} are read")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception
        raise ModelError(f"cannot load {path}: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Token ids of texts, each cut at `max_tokens`, without special tokens."""
    limit = max_tokens * MAX_CHARS_PER_TOKEN
    clean = [encodable(text[:limit]) for text in texts]
    return [found.ids[:max_tokens] for found in tokenizer.encode_batch_fast(clean, add_special_tokens=False)]


def encodable(text: str) -> str:
    """The text with a question mark for each surrogate, which no encoding holds: of undecodable file names, of JSON."""
    return text.encode("utf-8", "replace").decode("utf-8")
