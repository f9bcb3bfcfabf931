"""Models that the user names: where they are, whether they may be loaded, and how they are fed.

Nothing here trusts a folder: weights come from safetensors only, code that travels with a model never runs, and a hub
id is looked up in the local cache first.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeseek.encoders.feeding import Feeding, feeding_record, parse_feeding
from codeseek.encoders.weights import check_safetensors
from codeseek.errors import ModelError

__all__ = ["ForeignModel", "find_model", "open_foreign"]

HUB_PREFIX = "hub:"  # never a folder, whatever lies in the current one
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
WEIGHTS_NAME = "model.safetensors"
HEAD_NAME = "head.safetensors"
FEEDING_NAME = "codeseek.json"
# What is asked of the hub: these must be there, the rest may be.
HUB_FILES = ("config.json", WEIGHTS_NAME)
HUB_OPTIONAL_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    FEEDING_NAME,
    HEAD_NAME,
)
# What a model reads where its folder does not say: as the shipped one.
QUERY_MAX_TOKENS, MAX_TOKENS = 64, 192
CONFIG_MAX_BYTES = 4 << 20
MODEL_TYPES = ("bert", "roberta", "xlm-roberta", "camembert", "mpnet", "electra")


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """A checked folder. `name` holds a hash of weights, tokenizer and feeding."""

    path: Path
    name: str
    dimension: int
    feeding: Feeding
    classifier: bool


def find_model(spec: str | Path) -> Path:
    """Returns the folder of a model: the path itself, or the local copy of a hub id.

    A hub id that the cache lacks is downloaded, because the user named it, unless HF_HUB_OFFLINE forbids it. A folder
    of that name in the current one comes first, unless the id begins with `hub:`, as those of the configuration do.

    Raises:
        ModelError: If there is no such folder and no such model.
    """
    name = str(spec)
    path = Path(spec).expanduser()
    if not name.startswith(HUB_PREFIX):
        if path.is_dir():
            return path.resolve()
        if isinstance(spec, Path) or path.exists():
            name = ""
    name = name.removeprefix(HUB_PREFIX)
    if not HUB_ID.fullmatch(name):
        raise ModelError(f"cannot find a model at {spec}: no such folder", hint="a folder, or a hub id like org/name")
    from codeseek.encoders.checkpoints import fetch_from_hub

    return fetch_from_hub(name, HUB_FILES, HUB_OPTIONAL_FILES)


def open_foreign(folder: Path, kind: str, pooling: str | None = None) -> ForeignModel:
    """Checks a folder in the hub's layout and finds out how it is fed; loads no weights.

    The feeding is what `codeseek.json` says (written by `codeseek train`), else what sentence-transformers' files say,
    else UniXcoder's if the vocabulary has its mode token, else the mean over all tokens. That is also the choice for
    CodeBERT and GraphCodeBERT as pretrained (unmeasured): GraphCodeBERT's own code search takes BERT's pooler, but only
    after fine-tuning it. A `codeseek.json` in the folder, or `pooling`, chooses otherwise.

    Args:
        folder: As `find_model` gives it.
        kind: `dual-encoder` or `cross-encoder`.
        pooling: `mean` or `cls`, instead of what is found.

    Raises:
        ModelError: If it holds no weights in safetensors, or something that is not supported.
    """
    config = _read(folder / "config.json")
    weights = folder / WEIGHTS_NAME
    if not weights.is_file():
        if (folder / "pytorch_model.bin").exists():
            raise ModelError(
                f"refused {folder}: its weights are a pickle (pytorch_model.bin), which can run code",
                hint=f"convert it where you trust it: AutoModel.from_pretrained({str(folder)!r}).save_pretrained(NEW)",
            )
        raise ModelError(f"cannot load a model from {folder}: no {WEIGHTS_NAME}")
    check_safetensors(weights)
    if config.get("auto_map"):
        raise ModelError(f"refused {folder}: it brings code of its own, which is never run")
    model_type = config.get("model_type")
    if model_type not in MODEL_TYPES:
        raise ModelError(f"cannot load {folder}: model type {model_type!r}, wanted one of {', '.join(MODEL_TYPES)}")
    classifier = any(str(name).endswith("ForSequenceClassification") for name in config.get("architectures") or ())
    if kind == "cross-encoder" and not classifier and not (folder / HEAD_NAME).is_file():
        raise ModelError(
            f"cannot load a ranker from {folder}: neither a sequence classifier nor {HEAD_NAME}",
            hint="codeseek train cross writes one",
        )
    feeding = _feeding(folder, config, kind, pooling)
    dimension = config.get("hidden_size")
    if not isinstance(dimension, int):
        raise ModelError(f"cannot load {folder}: its configuration names no hidden size")
    return ForeignModel(folder, _name(folder, feeding), dimension, feeding, classifier and kind == "cross-encoder")


def _feeding(folder: Path, config: dict[str, Any], kind: str, pooling: str | None) -> Feeding:
    from codeseek.encoders.checkpoints import special_tokens

    place = folder / FEEDING_NAME
    if place.is_file():
        record = _read(place)
        if record.get("kind") != kind:
            raise ModelError(f"cannot load a {kind} from {folder}: it holds a {record.get('kind')}")
        record = {"pad": config.get("pad_token_id") or 0, **record}
        return parse_feeding({**record, "pooling": pooling or record.get("pooling")}, str(place))
    found, limit, prompts = "mean", MAX_TOKENS, {}
    if (folder / "modules.json").is_file():
        found, limit, prompts = _sentence_transformer(folder)
    # RoBERTa counts positions from the padding's id on, so that two of them are never used.
    roberta = "roberta" in config["model_type"] or config["model_type"] == "camembert"
    max_tokens = min(limit, int(config.get("max_position_embeddings") or MAX_TOKENS) - 2 * roberta)
    special = special_tokens(folder)
    mode = special.unixcoder_mode
    record = {
        "kind": kind,
        "pooling": pooling or found,
        "query_max_tokens": min(QUERY_MAX_TOKENS, max_tokens),
        "document_max_tokens": max_tokens,
        "max_tokens": max_tokens,
        "prefix": (special.first,) if mode is None else (special.first, mode, special.separator),
        "between": (special.separator, special.separator) if roberta and mode is None else (special.separator,),
        "suffix": (special.separator,),
        "document_type": int(int(config.get("type_vocab_size") or 1) > 1),
        "pad": special.pad,
        **prompts,
    }
    return parse_feeding(record, str(folder))


def _sentence_transformer(folder: Path) -> tuple[str, int, dict[str, str]]:
    """Pooling, most tokens and prompts of a sentence-transformers folder."""
    pooling = ""
    for module in _read_list(folder / "modules.json"):
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind == "Pooling":
            pooling = _sentence_pooling(folder, str(module.get("path", "")))
        elif kind not in ("Transformer", "Normalize"):
            raise ModelError(f"cannot load {folder}: its module {kind!r} is not supported")
    limits = _read(folder / "sentence_bert_config.json") if (folder / "sentence_bert_config.json").is_file() else {}
    limit = limits.get("max_seq_length") or MAX_TOKENS
    place = folder / "config_sentence_transformers.json"
    prompts = (_read(place) if place.is_file() else {}).get("prompts") or {}
    named = {
        "query_prompt": str(prompts.get("query", "")),
        "document_prompt": str(prompts.get("document", prompts.get("passage", ""))),
    }
    return pooling or "mean", int(limit), named


def _sentence_pooling(folder: Path, path: str) -> str:
    place = (folder / path / "config.json").resolve()
    # The hub's cache links files into its own store; only the path that the folder names must stay inside.
    if ".." in Path(path).parts or Path(path).is_absolute():
        raise ModelError(f"refused {folder}: modules.json points out of it")
    config = _read(place)
    flag = "pooling_mode_"
    modes = {key.removeprefix(flag) for key, value in config.items() if key.startswith(flag) and value}
    if isinstance(config.get("pooling_mode"), str):
        modes = {config["pooling_mode"]}
    known = {"cls_token": "cls", "cls": "cls", "mean_tokens": "mean", "mean": "mean"}
    if len(modes) != 1 or not modes <= known.keys():
        raise ModelError(f"cannot load {folder}: pooling {', '.join(sorted(modes)) or 'none'}, wanted mean or cls")
    return known[modes.pop()]


def _name(folder: Path, feeding: Feeding) -> str:
    digest = hashlib.sha256(json.dumps(feeding_record(feeding), sort_keys=True).encode())
    for name in ("config.json", WEIGHTS_NAME, HEAD_NAME, "tokenizer.json", "vocab.txt", "vocab.json", "merges.txt"):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    # The hub's cache names folders by commit; the model's own name is two levels up.
    label = folder.parent.parent.name.rpartition("--")[2] if folder.parent.name == "snapshots" else folder.name
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', label) or 'model'}-{digest.hexdigest()[:12]}"


def _read(place: Path) -> dict[str, Any]:
    record = _read_json(place)
    if not isinstance(record, dict):
        raise ModelError(f"cannot read {place}: not an object")
    return record


def _read_list(place: Path) -> list[dict[str, Any]]:
    record = _read_json(place)
    if not isinstance(record, list) or not all(isinstance(entry, dict) for entry in record):
        raise ModelError(f"cannot read {place}: not a list of objects")
    return record


def _read_json(place: Path) -> Any:
    try:
        if place.stat().st_size > CONFIG_MAX_BYTES:
            raise ModelError(f"cannot read {place}: larger than {CONFIG_MAX_BYTES} bytes")
        return json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"cannot read {place}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"cannot read {place}: not JSON") from error
