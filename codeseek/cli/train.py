"""`codeseek train dual|cross|documents|queries`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codeseek.cli.options import new_app
from codeseek.cli.train_options import (
    AbsoluteOption,
    AccumulateOption,
    AlikeOption,
    AttentionOption,
    BatchOption,
    BudgetOption,
    CompileOption,
    DataFlowOption,
    DevDepthOption,
    DevDocumentsOption,
    DeviceOption,
    DevPairsOption,
    DevQueriesOption,
    DevRankingOption,
    DocumentsOption,
    DocumentTokensOption,
    DropoutOption,
    EpochsOption,
    EvaluateOption,
    FreezeLayersOption,
    FreezeOption,
    LambdaOption,
    LayersOption,
    LogEveryOption,
    MaxMinutesOption,
    MaxStepsOption,
    ModelOption,
    OutOption,
    PairsOption,
    PrecisionOption,
    QueryTokensOption,
    RankingDepthOption,
    RankingOption,
    RateOption,
    RelativeOption,
    ResumeOption,
    SaveMinutesOption,
    SeedOption,
    ThreadsOption,
    WarmupOption,
    WindowOption,
)
from codeseek.cli.train_setup import (
    Interruptible,
    print_line,
    read_data,
    read_development,
    read_loop,
    read_trunk,
    read_window,
    wants_bf16,
)
from codeseek.errors import UsageError

app = new_app()


@app.callback(invoke_without_command=True)
def train(context: typer.Context) -> None:
    """Train the dual-encoder, the cross-encoder, or an encoder of documents or queries alone, on mined pairs."""
    if context.invoked_subcommand is None:
        raise UsageError("missing command: dual, cross, documents or queries", hint="codeseek train --help")


@app.command(epilog="Example: codeseek train cross --model DIR --pairs P --documents D --ranking R --out run")
def cross(
    model: ModelOption,
    out: OutOption,
    pairs: PairsOption,
    documents: DocumentsOption = None,
    ranking: RankingOption = None,
    ranking_depth: RankingDepthOption = 50,
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="random, repository, in-batch or ps.")] = "ps",
    negatives: Annotated[
        int, typer.Option("--negatives", metavar="N", min=1, help="M, negatives a query; 31 in the paper.")
    ] = 7,
    dual: Annotated[
        Path | None,
        typer.Option("--dual", metavar="DIR", help="Draw from this dual-encoder's ranking of all documents."),
    ] = None,
    dual_at_home: Annotated[
        bool, typer.Option("--dual-at-home", help="Of --dual, rank the documents of the query's own repository.")
    ] = False,
    random_share: Annotated[
        float,
        typer.Option(
            "--random-share", metavar="X", min=0, max=1, help="Share of ps negatives replaced by random ones."
        ),
    ] = 0.0,
    lambda_: LambdaOption = 0.0,
    window: WindowOption = 0,
    absolute_margin: AbsoluteOption = None,
    relative_margin: RelativeOption = None,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature", metavar="X", help="Multiplies the scores; 20 or 40 with --bounded, as in the paper."
        ),
    ] = 1.0,
    bounded: Annotated[bool, typer.Option("--bounded", help="Squeeze the score through tanh, as released.")] = False,
    teacher: Annotated[Path | None, typer.Option("--teacher", metavar="FILE", help="Scores to distil from.")] = None,
    teacher_weight: Annotated[
        float, typer.Option("--teacher-weight", metavar="X", min=0, max=1, help="Weight of the teacher's loss.")
    ] = 0.5,
    teacher_loss: Annotated[str, typer.Option("--teacher-loss", metavar="NAME", help="kl or margin-mse.")] = "kl",
    teacher_temperature: Annotated[
        float,
        typer.Option(
            "--teacher-temperature", metavar="X", help="Multiplies the scores of both before they are compared."
        ),
    ] = 1.0,
    residual: Annotated[
        float,
        typer.Option("--residual", metavar="X", min=0, help="Add X times the ranking's score: learn what it lacks."),
    ] = 0.0,
    dev_pairs: DevPairsOption = None,
    dev_documents: DevDocumentsOption = None,
    dev_ranking: DevRankingOption = None,
    dev_queries: DevQueriesOption = 300,
    dev_depth: DevDepthOption = 20,
    evaluate_every: EvaluateOption = 0,
    layers: LayersOption = "",
    batch: BatchOption = 8,
    accumulate: AccumulateOption = 1,
    epochs: EpochsOption = 1,
    max_steps: MaxStepsOption = 0,
    max_minutes: MaxMinutesOption = 0.0,
    learning_rate: RateOption = 5e-5,
    head_factor: Annotated[
        float, typer.Option("--head-factor", metavar="X", help="The head's learning rate is X times the transformer's.")
    ] = 1.0,
    warmup: WarmupOption = 0.06,
    seed: SeedOption = 0,
    alike: AlikeOption = 0.0,
    query_tokens: QueryTokensOption = 62,
    document_tokens: DocumentTokensOption = 158,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", metavar="N", min=8, help="Tokens of a pair, special ones counted.")
    ] = 192,
    passages: Annotated[
        bool | None,
        typer.Option(
            "--passages/--no-passages",
            help="Of a long document, read what shares words with the query; on, unless it reads data flow.",
        ),
    ] = None,
    pass_tokens: BudgetOption = 0,
    dropout: DropoutOption = 0.0,
    attention: AttentionOption = "sdpa",
    freeze_tokens: FreezeOption = True,
    freeze_layers: FreezeLayersOption = 0,
    precision: PrecisionOption = "auto",
    compile: CompileOption = False,
    data_flow: DataFlowOption = False,
    device: DeviceOption = "auto",
    threads: ThreadsOption = 0,
    resume: ResumeOption = False,
    log_every: LogEveryOption = 20,
    save_minutes: SaveMinutesOption = 10.0,
) -> int:
    """Train the cross-encoder: softmax cross-entropy over one positive and M negatives."""
    typed = locals()
    from codeseek.cli.choices import parse_choice
    from codeseek.train.jobs import train_cross
    from codeseek.train.objectives import CrossOptions
    from codeseek.train.plans import CrossJob, Source

    job = CrossJob(
        model=model,
        out=out,
        data=read_data(pairs, documents, ranking, ranking_depth, teacher, query_tokens, document_tokens),
        development=read_development(dev_pairs, dev_documents, dev_ranking, dev_queries, dev_depth),
        trunk=read_trunk(model, layers, attention, dropout, freeze_tokens, freeze_layers),
        loop=read_loop(typed),
        window=read_window(lambda_, window, absolute_margin, relative_margin),
        device=device,
        threads=threads,
        compiled=compile,
        budget_tokens=pass_tokens,
        data_flow=data_flow,
        source=Source(parse_choice("--source", source, tuple(Source))),
        dual=dual,
        dual_at_home=dual_at_home,
        random_share=random_share,
        bounded=bounded,
        max_tokens=max_tokens,
        passages=not data_flow if passages is None else passages,
        options=CrossOptions(
            negatives=negatives,
            temperature=temperature,
            bf16=wants_bf16(precision, device),
            teacher_weight=teacher_weight if teacher is not None else 0.0,
            teacher_loss=parse_choice("--teacher-loss", teacher_loss, ("kl", "margin-mse")),
            teacher_temperature=teacher_temperature,
            residual=residual,
        ),
    )
    with Interruptible() as interruptible:
        train_cross(job, resume=resume, report=print_line, on_trainer=interruptible)
    return interruptible.exit_code


@app.command(epilog="Example: codeseek train dual --model DIR --pairs pairs.jsonl --out run")
def dual(
    model: ModelOption,
    out: OutOption,
    pairs: PairsOption,
    documents: DocumentsOption = None,
    ranking: RankingOption = None,
    ranking_depth: RankingDepthOption = 50,
    hard_negatives: Annotated[
        int, typer.Option("--hard-negatives", metavar="N", min=0, help="Mined negatives a query.")
    ] = 0,
    lambda_: LambdaOption = 0.0,
    window: WindowOption = 0,
    absolute_margin: AbsoluteOption = None,
    relative_margin: RelativeOption = None,
    scale: Annotated[
        float, typer.Option("--scale", metavar="X", help="Multiplies the cosine: the inverse temperature.")
    ] = 20.0,
    pooling: Annotated[str, typer.Option("--pooling", metavar="NAME", help="mean or cls.")] = "mean",
    dev_pairs: DevPairsOption = None,
    dev_documents: DevDocumentsOption = None,
    dev_ranking: DevRankingOption = None,
    dev_queries: DevQueriesOption = 300,
    dev_depth: DevDepthOption = 20,
    evaluate_every: EvaluateOption = 0,
    layers: LayersOption = "",
    batch: BatchOption = 128,
    accumulate: AccumulateOption = 1,
    epochs: EpochsOption = 1,
    max_steps: MaxStepsOption = 0,
    max_minutes: MaxMinutesOption = 0.0,
    learning_rate: RateOption = 5e-5,
    warmup: WarmupOption = 0.06,
    seed: SeedOption = 0,
    alike: AlikeOption = 0.0,
    query_tokens: QueryTokensOption = 62,
    document_tokens: DocumentTokensOption = 158,
    pass_tokens: BudgetOption = 0,
    dropout: DropoutOption = 0.0,
    attention: AttentionOption = "sdpa",
    freeze_tokens: FreezeOption = True,
    freeze_layers: FreezeLayersOption = 0,
    precision: PrecisionOption = "auto",
    cached: Annotated[
        bool, typer.Option("--grad-cache/--no-grad-cache", help="Encode twice to save memory, or once.")
    ] = False,
    compile: CompileOption = False,
    data_flow: DataFlowOption = False,
    device: DeviceOption = "auto",
    threads: ThreadsOption = 0,
    resume: ResumeOption = False,
    log_every: LogEveryOption = 20,
    save_minutes: SaveMinutesOption = 10.0,
) -> int:
    """Train the dual-encoder: in-batch contrastive loss in both directions."""
    typed = locals()
    from codeseek.cli.choices import parse_choice
    from codeseek.train.jobs import train_dual
    from codeseek.train.objectives import DualOptions
    from codeseek.train.plans import DualJob

    job = DualJob(
        model=model,
        out=out,
        data=read_data(pairs, documents, ranking, ranking_depth, None, query_tokens, document_tokens),
        development=read_development(dev_pairs, dev_documents, dev_ranking, dev_queries, dev_depth),
        trunk=read_trunk(model, layers, attention, dropout, freeze_tokens, freeze_layers),
        loop=read_loop(typed),
        window=read_window(lambda_, window, absolute_margin, relative_margin),
        device=device,
        threads=threads,
        compiled=compile,
        budget_tokens=pass_tokens,
        data_flow=data_flow,
        pooling=parse_choice("--pooling", pooling, ("mean", "cls")),
        options=DualOptions(
            scale=scale,
            hard_negatives=hard_negatives,
            bf16=wants_bf16(precision, device),
            cached=cached,
        ),
    )
    with Interruptible() as interruptible:
        train_dual(job, resume=resume, report=print_line, on_trainer=interruptible)
    return interruptible.exit_code


@app.command(epilog="Example: codeseek train documents --model DIR --layers 3 --pairs pairs.jsonl --out run")
def documents(
    model: ModelOption,
    layers: LayersOption,
    out: OutOption,
    pairs: PairsOption,
    documents: DocumentsOption = None,
    others: Annotated[
        int, typer.Option("--others", metavar="N", min=0, help="Further documents a query, of its repository.")
    ] = 1,
    scale: Annotated[
        float, typer.Option("--scale", metavar="X", help="Multiplies the cosine: the inverse temperature.")
    ] = 20.0,
    dev_pairs: DevPairsOption = None,
    dev_documents: DevDocumentsOption = None,
    dev_ranking: DevRankingOption = None,
    dev_queries: DevQueriesOption = 300,
    dev_depth: DevDepthOption = 20,
    evaluate_every: EvaluateOption = 0,
    batch: BatchOption = 64,
    accumulate: AccumulateOption = 1,
    epochs: EpochsOption = 1,
    max_steps: MaxStepsOption = 0,
    max_minutes: MaxMinutesOption = 0.0,
    learning_rate: RateOption = 3e-4,
    warmup: WarmupOption = 0.04,
    seed: SeedOption = 0,
    alike: AlikeOption = 0.5,
    query_tokens: QueryTokensOption = 62,
    document_tokens: DocumentTokensOption = 126,
    pass_tokens: BudgetOption = 0,
    attention: AttentionOption = "sdpa",
    freeze_tokens: FreezeOption = True,
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = 0,
    resume: ResumeOption = False,
    log_every: LogEveryOption = 20,
    save_minutes: SaveMinutesOption = 10.0,
) -> int:
    """Train some layers of a dual-encoder to encode documents as all of them do."""
    typed = locals()
    from codeseek.train.jobs import train_documents
    from codeseek.train.objectives import DistilOptions
    from codeseek.train.plans import DocumentsJob

    job = DocumentsJob(
        model=model,
        out=out,
        data=read_data(pairs, documents, None, 50, None, query_tokens, document_tokens),
        development=read_development(dev_pairs, dev_documents, dev_ranking, dev_queries, dev_depth),
        trunk=read_trunk(model, layers, attention, 0.0, freeze_tokens, 0),
        loop=read_loop(typed),
        device=device,
        threads=threads,
        budget_tokens=pass_tokens,
        options=DistilOptions(scale=scale, others=others, bf16=wants_bf16(precision, device)),
    )
    with Interruptible() as interruptible:
        train_documents(job, resume=resume, report=print_line, on_trainer=interruptible)
    return interruptible.exit_code


@app.command(epilog="Example: codeseek train queries --model DIR --pairs pairs.jsonl --documents D --out run")
def queries(
    model: ModelOption,
    out: OutOption,
    pairs: PairsOption,
    documents: DocumentsOption = None,
    scale: Annotated[
        float, typer.Option("--scale", metavar="X", help="Multiplies the cosine: the inverse temperature.")
    ] = 20.0,
    mix: Annotated[
        float,
        typer.Option(
            "--mix", metavar="X", min=0, max=1, help="How far to go at last from the model to the trained one."
        ),
    ] = 0.6,
    dev_pairs: DevPairsOption = None,
    dev_documents: DevDocumentsOption = None,
    dev_ranking: DevRankingOption = None,
    dev_queries: DevQueriesOption = 300,
    dev_depth: DevDepthOption = 20,
    evaluate_every: EvaluateOption = 0,
    batch: BatchOption = 64,
    accumulate: AccumulateOption = 1,
    epochs: EpochsOption = 1,
    max_steps: MaxStepsOption = 0,
    max_minutes: MaxMinutesOption = 0.0,
    learning_rate: RateOption = 5e-5,
    warmup: WarmupOption = 0.04,
    seed: SeedOption = 0,
    alike: AlikeOption = 1.0,
    query_tokens: QueryTokensOption = 62,
    document_tokens: DocumentTokensOption = 126,
    pass_tokens: BudgetOption = 0,
    dropout: DropoutOption = 0.0,
    attention: AttentionOption = "sdpa",
    freeze_tokens: FreezeOption = True,
    freeze_layers: FreezeLayersOption = 0,
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = 0,
    resume: ResumeOption = False,
    log_every: LogEveryOption = 20,
    save_minutes: SaveMinutesOption = 10.0,
) -> int:
    """Train a dual-encoder's queries for the vectors that its documents have."""
    typed = locals()
    from codeseek.train.jobs import train_queries
    from codeseek.train.objectives import QueriesOptions
    from codeseek.train.plans import QueriesJob

    job = QueriesJob(
        model=model,
        out=out,
        data=read_data(pairs, documents, None, 50, None, query_tokens, document_tokens),
        development=read_development(dev_pairs, dev_documents, dev_ranking, dev_queries, dev_depth),
        trunk=read_trunk(model, "", attention, dropout, freeze_tokens, freeze_layers),
        loop=read_loop(typed),
        device=device,
        threads=threads,
        budget_tokens=pass_tokens,
        mix=mix,
        options=QueriesOptions(scale=scale, bf16=wants_bf16(precision, device)),
    )
    with Interruptible() as interruptible:
        train_queries(job, resume=resume, report=print_line, on_trainer=interruptible)
    return interruptible.exit_code
