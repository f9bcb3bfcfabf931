"""Tiny checkpoints of each architecture in the hub's layout, and a small set of pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WORDS = (
    "open file close read write line sort list find name sum add push pop stack queue parse text token walk tree count "
    "item split join map key value hash set get copy move delete path root user send message retry loop"
).split()
ARCHITECTURES = ("bert", "codebert", "graphcodebert", "unixcoder")


def _wordpiece(folder: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(33, 127)]
    names = dict.fromkeys([*special, *WORDS, *letters, *("##" + letter for letter in letters)])
    backend = Tokenizer(models.WordPiece({name: number for number, name in enumerate(names)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(str(folder))


def _byte_pairs(folder: Path, extra: tuple[str, ...]) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *extra, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, [], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        additional_special_tokens=list(extra),
    ).save_pretrained(str(folder))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder as `from_pretrained` wants it: two layers, 32 dimensions, random weights with a fixed seed."""
    made: dict[str, Path] = {}

    def make(architecture: str) -> Path:
        if architecture not in made:
            import torch
            from transformers import AutoTokenizer, BertConfig, BertModel, RobertaConfig, RobertaModel
            from transformers.utils import logging

            logging.disable_progress_bar()

            folder = tmp_path_factory.mktemp(architecture)
            if architecture == "bert":
                _wordpiece(folder)
            else:
                _byte_pairs(folder, ("<encoder-only>",) if architecture == "unixcoder" else ())
            sizes: dict[str, Any] = {
                "vocab_size": len(AutoTokenizer.from_pretrained(str(folder))),
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "intermediate_size": 64,
                "max_position_embeddings": 160,
            }
            torch.manual_seed(0)
            if architecture == "bert":
                model = BertModel(BertConfig(**sizes))
            else:
                model = RobertaModel(RobertaConfig(**sizes, pad_token_id=1, type_vocab_size=1))
            model.save_pretrained(str(folder))
            made[architecture] = folder
        return made[architecture]

    return make


def make_pairs(count: int = 24, repositories: int = 2) -> list[dict[str, str]]:
    """Query n speaks of the words that document n holds; the repositories take turns."""
    pairs = []
    for number in range(count):
        first, second = WORDS[number % len(WORDS)], WORDS[(7 * number + 3) % len(WORDS)]
        pairs.append(
            {
                "query": f"{first} the {second} {'again ' * (number % 3)}",
                "document": f"def {first}_{second}(a):\n    b = a + {number}\n    return {first}({second}, b)\n",
                "repository": f"repository-{number % repositories}",
                "language": "python",
                "kind": "documentation",
                "document_id": f"d{number}",
                "query_id": f"q{number}",
            }
        )
    return pairs


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with pairs.jsonl, documents.jsonl and ranking.jsonl; each ranking holds its positive at rank 2."""
    pairs = make_pairs()
    write_lines(tmp_path / "pairs.jsonl", pairs)
    names = {"document_id": "document_id", "repository": "repository", "text": "document", "language": "language"}
    documents = [{name: pair[field] for name, field in names.items()} for pair in pairs]
    write_lines(tmp_path / "documents.jsonl", documents)
    rankings = []
    for number, pair in enumerate(pairs):
        others = [f"d{(number + step) % len(pairs)}" for step in range(2, 20, 2)]
        listed = [others[0], pair["document_id"], *others[1:]]
        rankings.append(
            {
                "query_id": pair["query_id"],
                "documents": listed,
                "scores": [1 - rank / 10 for rank in range(len(listed))],
            }
        )
    write_lines(tmp_path / "ranking.jsonl", rankings)
    return tmp_path
