"""What all jobs set up first: device, tokenizer, trunk, pairs, and the source of negatives."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from codeseek.encoders.feeding import Feeding
from codeseek.encoders.passages import source_tokens
from codeseek.errors import UsageError
from codeseek.train.corpus import rank_corpus
from codeseek.train.data import TrainingSet, load_training_set
from codeseek.train.dataflow import graph_finder
from codeseek.train.development import run_passes
from codeseek.train.folders import load_description
from codeseek.train.inputs import Assembler
from codeseek.train.models import DualEncoder, TrunkOptions, load_trunk, prepare_device
from codeseek.train.plans import CrossJob, Job, Source
from codeseek.train.rankings import Ranking, load_ranking
from codeseek.train.relevance import Relevance
from codeseek.train.sampling import (
    InBatchNegatives,
    MixedNegatives,
    NegativeSource,
    RandomNegatives,
    RankingNegatives,
)
from codeseek.train.tokenizers import Frame, load_encode, load_frame, load_offsets, load_tokenizer, tokenizer_name
from codeseek.train.world import World

__all__ = ["EVALUATION_BUDGET", "Setting", "cross_source", "load_set", "ranking_source", "set_up", "single_max_tokens"]

# Padded tokens of a pass without gradients, in those of a training pass: no activations are kept.
EVALUATION_BUDGET = 2

# Padded tokens of a training pass. On the CPU 8 rows of 128 tokens run as fast as 64 (13.9 against 13.2 pairs/s). For
# CUDA unmeasured: meant to fill it, and to fit 16 GB with a model of base size. What is not named takes the CPU's.
PASS_TOKENS = {"cpu": 4096, "cuda": 32_768}


@dataclass(frozen=True, slots=True)
class Setting:
    """What all jobs set up first."""

    world: World
    device: Any
    tokenizer: Any
    trunk: Any
    frame: Frame
    training: TrainingSet
    relevance: Relevance
    budget_tokens: int


def set_up(job: Job, world: World) -> Setting:
    device = prepare_device(job.device, job.threads, job.loop.seed)
    tokenizer = load_tokenizer(job.model)
    trunk = load_trunk(job.model, job.trunk)
    if job.data_flow and (trunk.config.model_type != "roberta" or job.trunk.attention != "sdpa"):
        got = f"{trunk.config.model_type} with {job.trunk.attention}"
        raise UsageError(f"data flow is an input of GraphCodeBERT (roberta with sdpa attention), got {got}")
    if job.data_flow and isinstance(job, CrossJob) and job.passages:
        raise UsageError("passages have no data flow: its nodes name places of the whole document")
    frame = load_frame(tokenizer, trunk.config.type_vocab_size)
    training = load_set(job, job.data.pairs, job.data.documents, tokenizer)
    budget = job.budget_tokens or PASS_TOKENS.get(device.type, PASS_TOKENS["cpu"])
    if job.compiled:
        trunk.compile(dynamic=True)
    return Setting(world, device, tokenizer, trunk, frame, training, Relevance(training), budget)


def load_set(job: Job, pairs: Path, documents: Path | None, tokenizer: Any) -> TrainingSet:
    data = job.data
    passages = isinstance(job, CrossJob) and job.passages
    return load_training_set(
        pairs,
        documents,
        load_encode(tokenizer),
        tokenizer_name=tokenizer_name(tokenizer),
        vocabulary_size=len(tokenizer),
        query_max_tokens=data.query_max_tokens,
        document_max_tokens=source_tokens(data.document_max_tokens) if passages else data.document_max_tokens,
        cache_dir=data.cache_dir or pairs.parent / "token_cache",
        find_graph=graph_finder(load_offsets(tokenizer), data.document_max_tokens) if job.data_flow else None,
    )


def cross_source(job: CrossJob, setting: Setting) -> tuple[NegativeSource, dict[str, Any]]:
    training, relevance = setting.training, setting.relevance
    if job.dual is not None and job.source != Source.RANKING:
        raise UsageError("--dual ranks the documents for --source ps alone")
    if job.dual_at_home and job.dual is None:
        raise UsageError("--dual-at-home says where --dual ranks", hint="--dual DIR")
    nearby = RandomNegatives(training, relevance, same_repository=True)
    if job.source == Source.RANDOM:
        return RandomNegatives(training, relevance), {}
    if job.source == Source.REPOSITORY:
        return nearby, {}
    if job.source == Source.IN_BATCH:
        return InBatchNegatives(training, relevance), {}
    ranked, facts = ranking_source(job, setting)
    # A query whose ranking was emptied by the filters gets random negatives of its repository.
    return MixedNegatives([(ranked, 1.0 - job.random_share), (nearby, job.random_share)]), facts


def ranking_source(job: Job, setting: Setting) -> tuple[NegativeSource, dict[str, Any]]:
    window = job.window
    if isinstance(job, CrossJob) and job.dual is not None:
        ranking = _dual_ranking(job, setting, job.dual)
        window = replace(window, lambda_=0.0)
    elif job.data.ranking is not None:
        ranking = load_ranking(job.data.ranking, setting.training, job.data.depth)
    else:
        raise UsageError(
            "negatives from a ranking need one", hint="--ranking FILE, or --dual DIR to rank all documents"
        )
    source = RankingNegatives(setting.training, setting.relevance, ranking, window)
    return source, asdict(source.report)


def _dual_ranking(job: CrossJob, setting: Setting, folder: Path) -> Ranking:
    """What the frozen dual-encoder finds in all training documents."""
    trunk = load_trunk(folder, TrunkOptions(attention=job.trunk.attention))
    tokenizer = load_tokenizer(folder)
    description = load_description(folder)
    own = replace(job, data_flow=description.data_flow, passages=False)
    training = load_set(own, job.data.pairs, job.data.documents, tokenizer)
    frame = load_frame(tokenizer, trunk.config.type_vocab_size)
    feeding = Feeding(
        kind="dual-encoder",
        pooling=description.pooling,
        query_max_tokens=job.data.query_max_tokens,
        document_max_tokens=job.data.document_max_tokens,
        max_tokens=single_max_tokens(job, frame),
        **asdict(frame),
    )
    model = DualEncoder(trunk, pooling=feeding.pooling).to(setting.device).eval()
    assembler = Assembler(training, feeding, EVALUATION_BUDGET * setting.budget_tokens, tokenizer.unk_token_id or 0)
    queries = run_passes(model, assembler.queries(np.arange(len(training))), job.options.bf16)
    documents = run_passes(model, assembler.documents(np.arange(len(training.documents))), job.options.bf16)
    first = int(len(documents) * job.window.lambda_)
    return rank_corpus(
        setting.training, queries, documents, depth=job.data.depth, first=first, same_repository=job.dual_at_home
    )


def single_max_tokens(job: Job, frame: Frame) -> int:
    return max(job.data.query_max_tokens, job.data.document_max_tokens) + len(frame.prefix) + len(frame.suffix)
