"""The tokenizer of a model folder, and the special tokens that its model wants around a text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeseek.encoders.tokens import encodable, token_ids
from codeseek.errors import ModelError
from codeseek.train.models import first_line
from codeseek.train.tokens import Encode

__all__ = ["Frame", "load_encode", "load_frame", "load_offsets", "load_tokenizer", "tokenizer_name"]

UNIXCODER_MODE = "<encoder-only>"


def load_tokenizer(path: Path | str) -> Any:
    """Returns the fast tokenizer of a model folder.

    Raises:
        ModelError: If there is none that can be read.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(path), use_fast=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"cannot load a tokenizer from {path}: {first_line(error)}") from error


def tokenizer_name(tokenizer: Any) -> str:
    """16 hexadecimal digits of the tokenizer's whole state."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()[:16]


def load_encode(tokenizer: Any) -> Encode:
    """Returns the function that `data.load_training_set` tokenises with."""
    backend = tokenizer.backend_tokenizer

    def encode(texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        backend.no_padding()
        backend.no_truncation()
        return token_ids(backend, texts, max_tokens)

    return encode


def load_offsets(tokenizer: Any) -> Callable[[str, int], list[tuple[int, int]]]:
    """Returns a function that gives first character and the one behind the last of each token, for the data flow."""
    backend = tokenizer.backend_tokenizer

    def offsets(text: str, max_tokens: int) -> list[tuple[int, int]]:
        backend.no_padding()
        backend.no_truncation()
        return backend.encode(encodable(text), add_special_tokens=False).offsets[:max_tokens]

    return offsets


@dataclass(frozen=True, slots=True)
class Frame:
    """The fields of `Feeding` that the tokenizer decides."""

    prefix: tuple[int, ...]
    between: tuple[int, ...]
    suffix: tuple[int, ...]
    document_type: int
    pad: int


def load_frame(tokenizer: Any, type_vocabulary: int) -> Frame:
    """Derives the special tokens of an input from a tokenizer.

    CodeBERT was trained on one separator between text and code, UniXcoder on its mode token between the first two.

    Raises:
        ModelError: If the tokenizer lacks a token for start, separation or padding.
    """
    first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    separator = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    if first is None or separator is None or tokenizer.pad_token_id is None:
        raise ModelError("the tokenizer names no token for start, separation or padding")
    mode = tokenizer.get_vocab().get(UNIXCODER_MODE)
    prefix = (first,) if mode is None else (first, mode, separator)
    return Frame(prefix, (separator,), (separator,), int(type_vocabulary > 1), tokenizer.pad_token_id)
