"""Options that the commands below `codeseek train` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelOption = Annotated[
    Path, typer.Option("--model", metavar="DIR", help="A BERT-like model in the hub's layout, or a model trained here.")
]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="The run's folder: model, log, checkpoint.")]
PairsOption = Annotated[Path, typer.Option("--pairs", metavar="FILE", help="Training pairs, JSON lines.")]
DocumentsOption = Annotated[
    Path | None, typer.Option("--documents", metavar="FILE", help="Every document that a ranking names.")
]
RankingOption = Annotated[
    Path | None, typer.Option("--ranking", metavar="FILE", help="What the retriever found for each query.")
]
RankingDepthOption = Annotated[
    int, typer.Option("--ranking-depth", metavar="N", min=1, help="Documents read of each list.")
]
DevPairsOption = Annotated[Path | None, typer.Option("--dev-pairs", metavar="FILE", help="Development pairs.")]
DevDocumentsOption = Annotated[
    Path | None, typer.Option("--dev-documents", metavar="FILE", help="Documents of the development pairs.")
]
DevRankingOption = Annotated[
    Path | None, typer.Option("--dev-ranking", metavar="FILE", help="First-stage ranking of the development queries.")
]
DevQueriesOption = Annotated[
    int, typer.Option("--dev-queries", metavar="N", min=0, help="Development queries used; 0 for all.")
]
DevDepthOption = Annotated[int, typer.Option("--dev-depth", metavar="N", min=1, help="Documents reranked.")]
EvaluateOption = Annotated[
    int, typer.Option("--evaluate-every", metavar="N", min=0, help="Steps; 0 evaluates at the end only.")
]
LayersOption = Annotated[
    str, typer.Option("--layers", metavar="LIST", help="Layers to keep: a number, or a list like 0,2,4.")
]
BatchOption = Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Queries a batch.")]
AccumulateOption = Annotated[int, typer.Option("--accumulate", metavar="N", min=1, help="Batches an optimiser step.")]
EpochsOption = Annotated[int, typer.Option("--epochs", metavar="N", min=1, help="Passes over the pairs, at most.")]
MaxStepsOption = Annotated[
    int, typer.Option("--max-steps", metavar="N", min=0, help="Optimiser steps, at most; 0 for no limit.")
]
MaxMinutesOption = Annotated[
    float, typer.Option("--max-minutes", metavar="MINUTES", min=0, help="Wall minutes, at most; 0 for no limit.")
]
RateOption = Annotated[float, typer.Option("--learning-rate", metavar="X", help="Peak learning rate.")]
WarmupOption = Annotated[
    float, typer.Option("--warmup", metavar="X", min=0, max=0.9, help="Share of the run with a rising rate.")
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of everything drawn at random.")]
QueryTokensOption = Annotated[int, typer.Option("--query-tokens", metavar="N", min=1, help="Tokens kept of a query.")]
DocumentTokensOption = Annotated[
    int, typer.Option("--document-tokens", metavar="N", min=1, help="Tokens read of a document.")
]
BudgetOption = Annotated[
    int,
    typer.Option(
        "--pass-tokens",
        metavar="N",
        min=0,
        help="Padded tokens of one forward pass; 0 for a size that suits the device.",
    ),
]
DropoutOption = Annotated[
    float, typer.Option("--dropout", metavar="X", min=0, max=0.9, help="Dropout of the transformer.")
]
AttentionOption = Annotated[str, typer.Option("--attention", metavar="NAME", help="sdpa or eager.")]
FreezeLayersOption = Annotated[
    int, typer.Option("--freeze-layers", metavar="N", min=0, help="Lowest layers left as they are.")
]
FreezeOption = Annotated[bool, typer.Option("--freeze-tokens/--train-tokens", help="Leave the embeddings as they are.")]
PrecisionOption = Annotated[str, typer.Option("--precision", metavar="NAME", help="auto, bf16 or fp32.")]
CompileOption = Annotated[bool, typer.Option("--compile", help="Compile the transformer with torch.compile.")]
DataFlowOption = Annotated[bool, typer.Option("--data-flow", help="GraphCodeBERT's data-flow input.")]
DeviceOption = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or mps.")]
ThreadsOption = Annotated[
    int, typer.Option("--threads", metavar="N", min=0, help="Threads of torch on the CPU; 0 for its default.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Continue from the checkpoint in --out.")]
LogEveryOption = Annotated[
    int, typer.Option("--log-every", metavar="N", min=1, help="Steps between two lines of the log.")
]
SaveMinutesOption = Annotated[
    float, typer.Option("--save-minutes", metavar="MINUTES", min=0, help="Minutes between two checkpoints.")
]
AlikeOption = Annotated[
    float,
    typer.Option("--alike", metavar="X", min=0, max=1, help="Share of the batches whose queries share a repository."),
]
LambdaOption = Annotated[
    float, typer.Option("--lambda", metavar="X", min=0, help="The window begins at rank N * lambda.")
]
WindowOption = Annotated[
    int, typer.Option("--window", metavar="N", min=0, help="Ranks to sample from; 0 is contiguous.")
]
AbsoluteOption = Annotated[
    float | None, typer.Option("--absolute-margin", metavar="X", help="Drop negatives scored above positive - margin.")
]
RelativeOption = Annotated[
    float | None,
    typer.Option("--relative-margin", metavar="X", help="Drop negatives scored above positive * (1 - margin)."),
]
