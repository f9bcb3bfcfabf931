"""The door to transformers for files: hub cache, tokenizers in the hub's layout, and loading of checkpoints."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeseek.errors import REINSTALL, ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["SpecialTokens", "fetch_from_hub", "foreign_tokenizer", "load_checkpoint", "special_tokens"]

UNIXCODER_MODE = "<encoder-only>"


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids; `unixcoder_mode` is None for every other model."""

    first: int
    separator: int
    pad: int
    unixcoder_mode: int | None


def fetch_from_hub(name: str, files: Sequence[str], optional: Sequence[str]) -> Path:
    """Returns the cached folder of a hub id, downloading what it lacks.

    Raises:
        ModelError: If the hub has no such model, or cannot be reached and the cache has none.
    """
    transformers = _import_transformers()
    cached_file = transformers.utils.cached_file
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries; what fails in the end is raised
    quiet: dict[str, Any] = {
        "_raise_exceptions_for_missing_entries": False,
        "_raise_exceptions_for_connection_errors": False,
        "_raise_exceptions_for_gated_repo": False,
    }
    try:
        config = cached_file(name, files[0], local_files_only=True, **quiet)
        weights = cached_file(name, files[1], local_files_only=True, **quiet)
        if config is None or weights is None:
            # The user named this model, so it may be downloaded; HF_HUB_OFFLINE=1 forbids it.
            # Asked first, since a download that cannot connect would try again for 23 seconds.
            if not transformers.utils.hub.has_file(name, files[0]):
                raise OSError(f"the hub cannot be reached, or holds no {files[0]} of it")
            # The weights last: where they are cached, a later run asks for nothing more.
            config = cached_file(name, files[0])
            for file in optional:
                cached_file(name, file, _raise_exceptions_for_missing_entries=False)
            for file in files[1:]:
                cached_file(name, file)
    except (OSError, ValueError) as error:
        offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
        raise ModelError(
            f"cannot get the model {name}: {_first_line(error)}",
            hint="unset HF_HUB_OFFLINE to download it" if offline else f"download it elsewhere: hf download {name}",
        ) from error
    return Path(config).parent


def foreign_tokenizer(folder: Path) -> Tokenizer:
    """Returns the fast tokenizer of a folder in the hub's layout, without padding and truncation.

    Raises:
        ModelError: If there is none.
    """
    tokenizer = _auto_tokenizer(folder).backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def special_tokens(folder: Path) -> SpecialTokens:
    """Finds the ids of the special tokens.

    Raises:
        ModelError: If one for start, separation or padding is missing.
    """
    tokenizer = _auto_tokenizer(folder)
    first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    separator = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    if first is None or separator is None or tokenizer.pad_token_id is None:
        raise ModelError(f"the tokenizer in {folder} names no token for start, separation or padding")
    return SpecialTokens(first, separator, tokenizer.pad_token_id, tokenizer.get_vocab().get(UNIXCODER_MODE))


def load_checkpoint(folder: Path, *, classifier: bool) -> Any:
    """Loads a trunk without pooler, or a sequence classifier with one label, in float32.

    Raises:
        ModelError: If it cannot be loaded from safetensors, without code of its own.
    """
    transformers = _import_transformers()
    options = {"trust_remote_code": False, "use_safetensors": True, "local_files_only": True, "dtype": "float32"}
    try:
        if not classifier:
            kind = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True).model_type
            pooler = {} if kind == "electra" else {"add_pooling_layer": False}  # electra has none
            return transformers.AutoModel.from_pretrained(str(folder), **pooler, **options).eval()
        model = transformers.AutoModelForSequenceClassification.from_pretrained(str(folder), **options).eval()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"cannot load the model in {folder}: {_first_line(error)}") from error
    if model.config.num_labels != 1:
        raise ModelError(f"cannot load a ranker from {folder}: {model.config.num_labels} labels, wanted 1")
    return model


def _auto_tokenizer(folder: Path) -> Any:
    transformers = _import_transformers()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder), use_fast=True, trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot load a tokenizer from {folder}: {_first_line(error)}") from error
    if not getattr(tokenizer, "backend_tokenizer", None):
        raise ModelError(f"the tokenizer in {folder} has no fast form")
    return tokenizer


def _import_transformers() -> Any:
    try:
        import transformers
        from transformers.utils import logging
    except ImportError as error:
        raise ModelError("transformers is not installed", hint=REINSTALL) from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return transformers


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
