"""Tiny models with random weights and a tokenizer, built in code and saved in the hub's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

WORDS = "read write file list sort folder parse walk open close name path config def return self error test".split()
LETTERS = [
    *"abcdefghijklmnopqrstuvwxyz0123456789_().:",
    *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789_"),
]
BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
CLS, SEP, PAD = 2, 3, 0
HIDDEN = 32


def save_tokenizer(folder: Path, *, roberta: bool = False, extra: tuple[str, ...] = ()) -> int:
    """Writes a word-piece tokenizer and returns the size of its vocabulary."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ROBERTA_SPECIAL if roberta else BERT_SPECIAL
    vocabulary = {word: number for number, word in enumerate([*special, *extra, *WORDS, *LETTERS])}
    unknown = "<unk>" if roberta else "[UNK]"
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = (
        {"bos_token": "<s>", "cls_token": "<s>", "sep_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>"}
        if roberta
        else {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=unknown, **names).save_pretrained(str(folder))
    return len(vocabulary)


def save_bert(folder: Path, *, layers: int = 2, seed: int = 0, classifier_labels: int = 0, **options: Any) -> Path:
    """A BERT of width 32; with labels, a sequence classifier."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    folder.mkdir(parents=True, exist_ok=True)
    size = save_tokenizer(folder)
    torch.manual_seed(seed)
    config = BertConfig(**shape(size, layers), **options)
    if classifier_labels:
        config.num_labels = classifier_labels
        model = BertForSequenceClassification(config)
    else:
        model = BertModel(config, add_pooling_layer=False)
    spread(model)
    model.save_pretrained(str(folder))
    return folder


def save_roberta(folder: Path, *, unixcoder: bool = False) -> Path:
    import torch
    from transformers import RobertaConfig, RobertaModel

    folder.mkdir(parents=True, exist_ok=True)
    size = save_tokenizer(folder, roberta=True, extra=("<encoder-only>",) if unixcoder else ())
    torch.manual_seed(1)
    values = {**shape(size, 2), "max_position_embeddings": 66, "type_vocab_size": 1}
    config = RobertaConfig(**values, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    model = RobertaModel(config, add_pooling_layer=False)
    spread(model)
    model.save_pretrained(str(folder))
    return folder


def save_electra(folder: Path) -> Path:
    import torch
    from transformers import ElectraConfig, ElectraModel

    folder.mkdir(parents=True, exist_ok=True)
    size = save_tokenizer(folder)
    torch.manual_seed(2)
    model = ElectraModel(ElectraConfig(**shape(size, 2), embedding_size=HIDDEN))
    spread(model)
    model.save_pretrained(str(folder))
    return folder


def save_head(folder: Path, seed: int = 0, *, kind: str = "dense-tanh-linear") -> Path:
    """Makes a cross-encoder of a BERT folder, as `codeseek train cross` writes it."""
    from safetensors.numpy import save_file

    random = np.random.default_rng(seed)
    tensors = {
        "dense.weight": random.normal(0, 0.3, (HIDDEN, HIDDEN)),
        "dense.bias": random.normal(0, 0.3, HIDDEN),
        "score.weight": random.normal(0, 0.5, (1, HIDDEN)),
        "score.bias": np.array([0.25]),
    }
    save_file({name: value.astype(np.float32) for name, value in tensors.items()}, folder / "head.safetensors")
    (folder / "codeseek.json").write_text(json.dumps(feeding_record("cross-encoder", head=kind)))
    return folder


def feeding_record(kind: str, **changes: Any) -> dict[str, Any]:
    """What `codeseek.json` holds for the tiny BERT."""
    return {
        "kind": kind,
        "pooling": "mean",
        "query_max_tokens": 12,
        "document_max_tokens": 30,
        "max_tokens": 40,
        "prefix": [CLS],
        "between": [SEP],
        "suffix": [SEP],
        "document_type": 1,
        "head": "",
        **changes,
    }


def shape(vocabulary: int, layers: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
    }


def spread(model: Any) -> None:
    """Makes random weights large enough that different texts get clearly different answers."""
    import torch

    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim == 2:
                value.normal_(0, 0.25)
            elif name.endswith("bias"):
                value.normal_(0, 0.1)


def share_words(source: Path, folder: Path) -> Path:
    """Gives a checkpoint the token embeddings of another one: training freezes them, so all parts have the same."""
    import torch
    from safetensors.torch import load_file, save_file

    key = "embeddings.word_embeddings.weight"
    state = load_file(folder / "model.safetensors")
    state[key] = load_file(source / "model.safetensors")[key]
    save_file(
        {name: torch.clone(value) for name, value in state.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder
