"""Turns trained float32 checkpoints into the int8 folder that codeseek ships (`encoders/folder.py` has its layout).

Weights are int8, symmetric, one scale a column; token embeddings int8 with one scale a row. Activations are uint8 with
fixed scales, measured on texts like those that will be served. The torch runtime reads the same int8 weights.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codeseek.encoders.feeding import Feeding, feeding_record, frame_texts, iter_batches, parse_feeding
from codeseek.encoders.folder import CONFIG_NAME, FORMAT, FORMAT_KEY, PARTS, Architecture
from codeseek.encoders.tokens import TOKENIZER_NAME, load_tokenizer, token_ids
from codeseek.encoders.weights import EMBEDDINGS_NAME, load_tensors, tensor_ranges
from codeseek.errors import DataError, FileError, ModelError
from codeseek.rankers.cross import PairReader

__all__ = ["ExportPart", "export_model"]

# How much of a channel's reach moves from the activations into the weights (as in SmoothQuant, Xiao et al. 2023;
# powers of the weights' own rows added nothing). 0 gives vectors of cosine 0.994 to float32's, 0.75 of 0.998;
# 0.25 and 0.5 leave larger errors in nearly all layers.
SMOOTHING = 0.75
CALIBRATION_BATCH_TOKENS = 4096
# Read beside the samples, whatever these are: the shortest and oddest inputs reach furthest. Without them an empty text
# came out at a cosine of 0.976 between the runtimes, with them at 0.997.
ODD_TEXTS = (
    "",
    "read",
    "a",
    "x = 1",
    "()",
    "?",
    "...",
    "#",
    "0 1 2 3 4 5 6 7 8 9",
    "= = = = =",
    "x" * 300,
    "getUserById",
)
ODD_TEXTS += ("读取文件", "чтение файла", "ファイルを読む", "é", "\U0001f600 \U0001f680", "open close read write")


@dataclass(frozen=True, slots=True)
class ExportPart:
    """A checkpoint to export.

    Args:
        folder: In the hub's layout; a ranker has `head.safetensors` beside it (`train/models.py`).
        feeding: How it is fed.
        label: The readable half of its name.
        samples: A few hundred texts like those that an encoder will read; (query, document) pairs of a ranker.
        serving: Written into the configuration as it is (calibration, budgets).
    """

    folder: Path
    feeding: Feeding
    label: str
    samples: Sequence[str] | Sequence[tuple[str, str]]
    serving: Mapping[str, Any]


def export_model(
    out: Path,
    *,
    encoder: ExportPart | None = None,
    document_encoder: ExportPart | None = None,
    ranker: ExportPart | None = None,
    queries_alone: bool = False,
    record: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model folder. A part of a folder that exists stays as it is where none is given, but for an encoder of
    documents beside another encoder.

    Args:
        out: The folder.
        encoder: The dual-encoder.
        document_encoder: What reads the documents in its place; its token embeddings are the encoder's, as it froze
            them.
        ranker: The cross-encoder, with the same token embeddings.
        queries_alone: `encoder` reads the queries alone; what read the documents of the folder still does, under the
            name that their vectors are stored by.
        record: Origin, licence and training, written into the configuration; None keeps what is there.

    Raises:
        ModelError: If a checkpoint cannot be read, is no BERT, or the parts differ in token embeddings or tokenizer, or
            documents have an encoder and queries none, or are to keep one that is not there.
        DataError: If a part has no samples to calibrate on.
        FileError: If the folder cannot be written.
    """
    given = dict(zip(PARTS, (encoder, document_encoder, ranker), strict=True))
    parts = {name: part for name, part in given.items() if part is not None}
    if not parts:
        raise ModelError("cannot export: neither an encoder nor a ranker was given")
    try:
        out.mkdir(parents=True, exist_ok=True)
        config = _kept(out, parts, queries_alone)
        if "document_encoder" in parts and not (encoder or config["encoder"]):
            raise ModelError("cannot export an encoder of documents without one of queries")
        if record is not None:
            config["record"] = dict(record)
        first: Path | None = out if any(config[name] for name in PARTS) else None
        words = load_tensors(out / EMBEDDINGS_NAME) if first else {}
        for name, part in parts.items():
            architecture, own, tensors = _quantised(part)
            if first is None:
                first, words = part.folder, own
                shutil.copyfile(first / TOKENIZER_NAME, out / TOKENIZER_NAME)
                _save(out / EMBEDDINGS_NAME, words)
            elif any(not np.array_equal(words[key], own[key]) for key in words):
                raise ModelError(f"cannot export {part.folder}: its token embeddings are not those of {first}")
            elif not _same_tokenizer(part.folder / TOKENIZER_NAME, out / TOKENIZER_NAME):
                raise ModelError(f"cannot export {part.folder}: its tokenizer is not that of {first}")
            if name == "encoder" and queries_alone:
                config["document_encoder"] = _given_to_documents(out)
            _save(out / f"{name}.safetensors", tensors)
            _write_graph(out, name, architecture, part.feeding)
            config[name] = _part_record(out, name, part, architecture)
        config["bytes"] = {
            path.name: path.stat().st_size
            for path in sorted(out.iterdir())
            if path.name in (EMBEDDINGS_NAME, TOKENIZER_NAME) or config.get(path.name.partition(".")[0])
        }
        (out / CONFIG_NAME).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        for name in PARTS:
            for path in out.glob(f"{name}.*") if config[name] is None else ():
                path.unlink()
    except OSError as error:
        raise FileError(f"cannot write the model to {out}: {error.strerror or error}") from error


def _given_to_documents(out: Path) -> dict[str, Any]:
    """Makes the folder's encoder that of its documents, where they have none of their own; returns its record."""
    config = json.loads((out / CONFIG_NAME).read_text(encoding="utf-8")) if (out / CONFIG_NAME).exists() else {}
    if config.get("document_encoder"):
        return config["document_encoder"]
    if not config.get("encoder"):
        raise ModelError(f"cannot export an encoder of queries alone: {out} has none that reads documents")
    shutil.copyfile(out / "encoder.safetensors", out / "document_encoder.safetensors")
    architecture = Architecture(**config["encoder"]["architecture"])
    _write_graph(out, "document_encoder", architecture, parse_feeding(config["encoder"]["feeding"], str(out)))
    return config["encoder"]


def _kept(out: Path, parts: Mapping[str, ExportPart], queries_alone: bool) -> dict[str, Any]:
    """The configuration of the folder without what is about to be replaced."""
    config: dict[str, Any] = {FORMAT_KEY: FORMAT, **dict.fromkeys(PARTS), "record": {}}
    if (out / CONFIG_NAME).exists():
        known = json.loads((out / CONFIG_NAME).read_text(encoding="utf-8"))
        config["record"] = known["record"]
        config |= {name: known.get(name) for name in PARTS if name not in parts}
    if "encoder" in parts and "document_encoder" not in parts and not queries_alone:
        config["document_encoder"] = None  # the one there was made for another encoder's vectors
    return config


def _same_tokenizer(one: Path, other: Path) -> bool:
    """Whether two files say the same in whatever layout; limits on length are the feeding's business."""
    tables = [json.loads(path.read_text(encoding="utf-8")) for path in (one, other)]
    return tables[0] | {"truncation": None, "padding": None} == tables[1] | {"truncation": None, "padding": None}


def _part_record(out: Path, name: str, part: ExportPart, architecture: Architecture) -> dict[str, Any]:
    shape, feeding = asdict(architecture), feeding_record(part.feeding)
    digest = hashlib.sha256(json.dumps([shape, feeding], sort_keys=True).encode())
    for file in (TOKENIZER_NAME, EMBEDDINGS_NAME, f"{name}.safetensors", f"{name}.onnx"):
        digest.update((out / file).read_bytes())
    return {
        "name": f"{part.label}-{digest.hexdigest()[:12]}",
        "architecture": shape,
        "feeding": feeding,
        "serving": dict(part.serving),
    }


def _quantised(part: ExportPart) -> tuple[Architecture, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns the shape, the tensors of the token embeddings, and the others."""
    from codeseek.train.models import TrunkOptions, load_trunk

    trunk = load_trunk(part.folder, TrunkOptions()).eval()
    config = trunk.config
    if config.model_type != "bert" or config.hidden_act != "gelu":
        raise ModelError(
            f"cannot export {part.folder}: {config.model_type} with {config.hidden_act}, wanted bert, gelu"
        )
    architecture = Architecture(
        hidden_size=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        vocabulary_size=config.vocab_size,
        max_positions=config.max_position_embeddings,
        type_vocabulary=config.type_vocab_size,
        layer_norm_epsilon=config.layer_norm_eps,
    )
    state = {name: value.detach().float().numpy() for name, value in trunk.state_dict().items()}
    words = _quantise_rows(state["embeddings.word_embeddings.weight"])
    observed = _observe(trunk, part)
    tensors: dict[str, np.ndarray] = {
        "positions": state["embeddings.position_embeddings.weight"],
        "token_types": state["embeddings.token_type_embeddings.weight"],
        "embedding_norm.weight": state["embeddings.LayerNorm.weight"],
        "embedding_norm.bias": state["embeddings.LayerNorm.bias"],
    }
    for layer in range(architecture.layers):
        tensors |= _quantise_layer(state, observed, layer)
    if part.feeding.head:
        tensors |= _head(part.folder)
    return architecture, words, {name: np.ascontiguousarray(value) for name, value in tensors.items()}


def _quantise_layer(state: Mapping[str, np.ndarray], observed: Mapping[str, Any], layer: int) -> dict[str, np.ndarray]:
    here, there = f"layers.{layer}", f"encoder.layer.{layer}"
    inputs = [f"{there}.attention.self.{name}" for name in ("query", "key", "value")]
    sources = {
        "qkv": inputs,
        "attention": [f"{there}.attention.output.dense"],
        "intermediate": [f"{there}.intermediate.dense"],
        "output": [f"{there}.output.dense"],
    }
    tensors: dict[str, np.ndarray] = {}
    for ours, theirs in sources.items():
        weight = np.concatenate([state[f"{name}.weight"] for name in theirs]).T  # [K, N]
        bias = np.concatenate([state[f"{name}.bias"] for name in theirs])
        low, high = observed[theirs[0]]
        tensors |= _quantise_linear(f"{here}.{ours}", weight, bias, low, high)
    for ours, theirs in (("attention_norm", "attention.output.LayerNorm"), ("output_norm", "output.LayerNorm")):
        tensors[f"{here}.{ours}.weight"] = state[f"{there}.{theirs}.weight"]
        tensors[f"{here}.{ours}.bias"] = state[f"{there}.{theirs}.bias"]
    return tensors


def _quantise_linear(
    name: str, weight: np.ndarray, bias: np.ndarray, low: np.ndarray, high: np.ndarray
) -> dict[str, np.ndarray]:
    """Quantises a product [.., K] x [K, N]; `low` and `high` [K] are what its input was seen to reach."""
    reach = np.maximum(np.abs(low), np.abs(high)).clip(1e-5)
    smooth = (reach**-SMOOTHING).astype(np.float32)
    low, high, weight = low * smooth, high * smooth, weight / smooth[:, None]
    bottom, top = min(float(low.min()), 0.0), max(float(high.max()), 0.0)
    input_scale = np.float32((top - bottom) / 255 or 1.0)
    scale = (np.abs(weight).max(axis=0) / 127).clip(1e-12).astype(np.float32)
    return {
        f"{name}.weight": np.round(weight / scale).astype(np.int8),
        f"{name}.scale": scale,
        f"{name}.bias": bias,
        f"{name}.smooth": smooth,
        f"{name}.input_scale": np.array(input_scale),
        f"{name}.input_zero": np.array(np.clip(round(-bottom / input_scale), 0, 255), np.uint8),
    }


def _quantise_rows(words: np.ndarray) -> dict[str, np.ndarray]:
    scale = (np.abs(words).max(axis=1, keepdims=True) / 127).clip(1e-12).astype(np.float32)
    return {"words": np.round(words / scale).astype(np.int8), "words.scale": scale}


def _head(folder: Path) -> dict[str, np.ndarray]:
    return {
        f"head.{name}": value.astype(np.float32) for name, value in load_tensors(folder / "head.safetensors").items()
    }


def _observe(trunk: Any, part: ExportPart) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Runs the samples; returns the least and the greatest input [K] of each linear layer, padding left out."""
    from codeseek.train.models import nn, torch

    if not part.samples:
        raise DataError(f"cannot export {part.folder}: no samples to calibrate on")
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    mask = torch.zeros(0)

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            values = inputs[0].reshape(mask.shape[0], mask.shape[1], -1)[mask]
            low, high = values.amin(dim=0), values.amax(dim=0)
            before = seen.get(name, (low, high))
            seen[name] = torch.minimum(low, before[0]), torch.maximum(high, before[1])

        return hook

    hooks = [
        module.register_forward_pre_hook(watch(name))
        for name, module in trunk.named_modules()
        if isinstance(module, nn.Linear)
    ]
    with torch.inference_mode():
        for ids, types, lengths in _sample_batches(part):
            mask = torch.arange(ids.shape[1])[None] < torch.from_numpy(lengths)[:, None]
            trunk(torch.from_numpy(ids), mask.long(), torch.from_numpy(types))
    for hook in hooks:
        hook.remove()
    return {name: (low.numpy(), high.numpy()) for name, (low, high) in seen.items()}


def _sample_batches(part: ExportPart) -> Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    tokenizer = load_tokenizer(part.folder)
    feeding = part.feeding
    if not feeding.head:
        texts = token_ids(tokenizer, [*map(str, part.samples), *ODD_TEXTS], feeding.max_tokens)
        groups = [(frame_texts(feeding, texts), None)]
    else:
        reader = PairReader(feeding, tokenizer)
        odd = zip(ODD_TEXTS, reversed(ODD_TEXTS), strict=True)
        groups = [reader.rows(query, [document]) for query, document in [*part.samples, *odd]]
    for rows, start in groups:
        for batch in iter_batches(feeding, rows, start, 32, CALIBRATION_BATCH_TOKENS):
            yield batch.ids, batch.types, batch.lengths


def _save(path: Path, tensors: dict[str, np.ndarray]) -> None:
    from safetensors.numpy import save_file

    # Beside the old one first: a process that has it mapped must not see it shrink.
    new = path.with_name(f"{path.name}.new")
    save_file(tensors, new)
    new.chmod(0o644)  # safetensors makes files private, and wheels keep the mode
    new.replace(path)


def _write_graph(out: Path, name: str, architecture: Architecture, feeding: Feeding) -> None:
    from codeseek.train.graph import ExternalWeights, write_graph

    weights = ExternalWeights()
    for file in (EMBEDDINGS_NAME, f"{name}.safetensors"):
        with (out / file).open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        header.pop("__metadata__", None)
        weights.add(file, header, tensor_ranges(out / file))
    write_graph(
        out / f"{name}.onnx",
        weights,
        layers=architecture.layers,
        heads=architecture.heads,
        epsilon=architecture.layer_norm_epsilon,
        pooling=feeding.pooling,
        head=feeding.head,
    )
