"""Gradients: caching, accumulation of passes and the frame of each architecture, on real two-layer models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from codeseek.encoders.feeding import Feeding  # noqa: E402
from codeseek.train import models  # noqa: E402
from codeseek.train.cross import CrossObjective  # noqa: E402
from codeseek.train.data import TrainingSet, load_training_set  # noqa: E402
from codeseek.train.dual import DualObjective  # noqa: E402
from codeseek.train.flowgraph import Graph, append_nodes, pad_graphs  # noqa: E402
from codeseek.train.gradcache import cached_backward  # noqa: E402
from codeseek.train.inputs import Assembler  # noqa: E402
from codeseek.train.losses import info_nce, listwise_cross_entropy  # noqa: E402
from codeseek.train.models import (  # noqa: E402
    CrossEncoder,
    DualEncoder,
    TrunkOptions,
    hidden_states,
    load_trunk,
)
from codeseek.train.objectives import CrossOptions, DualOptions  # noqa: E402
from codeseek.train.relevance import Relevance  # noqa: E402
from codeseek.train.sampling import InBatchNegatives  # noqa: E402
from codeseek.train.tokenizers import load_encode, load_frame, load_tokenizer, tokenizer_name  # noqa: E402

ROWS = np.arange(6)


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    found = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def assert_same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    assert any(float(value.abs().max()) > 1e-4 for value in left.values())
    for name, value in left.items():
        assert torch.allclose(value, right[name], atol=2e-6, rtol=1e-4), name


class Tiny:
    """A set of pairs as one architecture reads it."""

    def __init__(self, checkpoint: Path, corpus: Path, dropout: float = 0.0) -> None:
        tokenizer = load_tokenizer(checkpoint)
        self.trunk = load_trunk(checkpoint, TrunkOptions(dropout=dropout))
        self.trunk.train()
        self.training: TrainingSet = load_training_set(
            corpus / "pairs.jsonl",
            None,
            load_encode(tokenizer),
            tokenizer_name=tokenizer_name(tokenizer),
            vocabulary_size=len(tokenizer),
            query_max_tokens=20,
            document_max_tokens=60,
            cache_dir=corpus / "cache",
        )
        frame = load_frame(tokenizer, self.trunk.config.type_vocab_size)
        self.feeding = Feeding(
            "cross-encoder",
            "mean",
            20,
            60,
            96,
            frame.prefix,
            frame.between,
            frame.suffix,
            frame.document_type,
            pad=frame.pad,
        )

    def assembler(self, budget: int) -> Assembler:
        return Assembler(self.training, self.feeding, budget)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_gradient_cache_is_exact_even_with_dropout(
    checkpoint: Callable[[str], Path], corpus: Path, dropout: float
) -> None:
    tiny = Tiny(checkpoint("bert"), corpus, dropout)
    model = DualEncoder(tiny.trunk)
    relevance = Relevance(tiny.training)
    losses, found = [], []
    for cached in (True, False):
        options = DualOptions(bf16=False, cached=cached)
        objective = DualObjective(model, tiny.assembler(100), relevance, None, options)
        batch = objective.prepare(ROWS, np.random.default_rng(0))
        assert len(batch.query_passes) + len(batch.document_passes) > 3
        losses.append(objective.backward(batch, 0.5))
        found.append(gradients(model))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert_same(*found)


def test_cached_loss_is_the_plain_loss_of_one_pass(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    tiny = Tiny(checkpoint("bert"), corpus)
    model = DualEncoder(tiny.trunk)
    options = DualOptions(bf16=False, cached=True)
    objective = DualObjective(model, tiny.assembler(100), Relevance(tiny.training), None, options)
    loss = objective.backward(objective.prepare(ROWS, np.random.default_rng(0)), 0.25)
    cached = gradients(model)
    single = tiny.assembler(100_000)
    (queries,), (documents,) = single.queries(ROWS), single.documents(tiny.training.positive[ROWS])

    def vectors(padded: object, count: int) -> torch.Tensor:
        rows = torch.from_numpy(np.argsort(padded.rows))
        arrays = (torch.from_numpy(array) for array in (padded.ids, padded.types, padded.mask))
        return model(*arrays)[rows][:count]

    plain = info_nce(vectors(queries, 6), vectors(documents, 6), 20.0)
    (plain * 0.25).backward()
    assert loss == pytest.approx(float(plain.detach()), rel=1e-5)
    assert_same(cached, gradients(model))


def test_gradient_cache_without_passes_to_split_runs_once(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    tiny = Tiny(checkpoint("bert"), corpus)
    calls = []
    model = DualEncoder(tiny.trunk)
    model.register_forward_hook(lambda *seen: calls.append(1))
    passes = [{name: torch.ones(2, 8, dtype=torch.int64) for name in ("ids", "types", "mask")}]

    def loss_of(vectors: Sequence[torch.Tensor]) -> torch.Tensor:
        return vectors[0].sum()

    cached_backward(model, passes, loss_of, bf16=False, seed=0)
    assert len(calls) == 1


@pytest.mark.parametrize("architecture", ["bert", "codebert", "unixcoder"])
def test_cross_step_does_not_depend_on_how_pairs_are_packed(
    checkpoint: Callable[[str], Path], corpus: Path, architecture: str
) -> None:
    tiny = Tiny(checkpoint(architecture), corpus)
    torch.manual_seed(1)
    model = CrossEncoder(tiny.trunk)
    source = InBatchNegatives(tiny.training, Relevance(tiny.training))
    losses, found = [], []
    for budget in (150, 100_000):
        objective = CrossObjective(
            model, tiny.assembler(budget), source, CrossOptions(negatives=3, temperature=2.0, bf16=False)
        )
        batch = objective.prepare(ROWS, np.random.default_rng(0))
        assert (batch.documents[:, 0] == tiny.training.positive[ROWS]).all()
        losses.append(objective.backward(batch, 1.0))
        found.append(gradients(model))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert_same(*found)


def test_cross_loss_equals_one_pair_at_a_time(checkpoint: Callable[[str], Path], corpus: Path) -> None:
    tiny = Tiny(checkpoint("bert"), corpus)
    model = CrossEncoder(tiny.trunk, bounded=True)
    source = InBatchNegatives(tiny.training, Relevance(tiny.training))
    objective = CrossObjective(
        model, tiny.assembler(400), source, CrossOptions(negatives=2, temperature=20.0, bf16=False)
    )
    batch = objective.prepare(ROWS, np.random.default_rng(0))
    loss = objective.backward(batch, 1.0)
    frame, training = tiny.feeding, tiny.training
    scores = torch.zeros(6, 3)
    for row in range(6):
        for column in range(3):
            query = training.queries[row].tolist()
            document = training.documents[batch.documents[row, column]].tolist()
            ids = [*frame.prefix, *query, *frame.between, *document, *frame.suffix]
            types = [0] * (len(ids) - len(document) - 1) + [1] * (len(document) + 1)
            with torch.no_grad():
                arguments = (torch.tensor([ids]), torch.tensor([types]), torch.ones(1, len(ids), dtype=torch.int64))
                scores[row, column] = model(*arguments)[0]
    assert (scores.abs() <= 1).all()
    expected = listwise_cross_entropy(scores, torch.ones(6, 3, dtype=torch.bool), 20.0)
    assert loss == pytest.approx(float(expected), rel=1e-4)


def test_unixcoder_reads_its_mode_token_first(checkpoint: Callable[[str], Path]) -> None:
    tokenizer = load_tokenizer(checkpoint("unixcoder"))
    frame = load_frame(tokenizer, 1)
    assert tokenizer.convert_ids_to_tokens(list(frame.prefix)) == ["<s>", "<encoder-only>", "</s>"]
    assert frame.document_type == 0
    assert load_frame(load_tokenizer(checkpoint("codebert")), 1).prefix == (0,)


def test_a_node_of_the_data_flow_reads_as_the_mean_of_its_tokens(checkpoint: Callable[[str], Path]) -> None:
    trunk = load_trunk(checkpoint("graphcodebert"), TrunkOptions())
    graph = Graph(np.array([[0, 2], [2, 3]], np.uint16), np.array([[1, 0]], np.uint16))
    rows, flows = append_nodes([np.array([0, 50, 51, 52, 2])], [1], [graph], 1, 3)
    ids = np.array([[*rows[0].tolist(), 1]])
    given = pad_graphs(flows, ids, 1)
    seen: dict[str, torch.Tensor] = {}
    trunk.embeddings.register_forward_pre_hook(lambda module, args, named: seen.update(named), with_kwargs=True)
    mask = torch.from_numpy((ids != 1).astype(np.int64))
    positions, attention = torch.from_numpy(given.positions), torch.from_numpy(given.attention)
    hidden = hidden_states(trunk, torch.from_numpy(ids), torch.zeros_like(mask), mask, positions, attention)
    assert torch.isfinite(hidden).all()
    words = trunk.embeddings.word_embeddings.weight
    assert torch.allclose(seen["inputs_embeds"][0, 5], (words[50] + words[51]) / 2, atol=1e-6)
    assert torch.allclose(seen["inputs_embeds"][0, 6], words[52], atol=1e-6)
    assert torch.equal(seen["inputs_embeds"][0, 1], words[50])
    assert seen["position_ids"][0].tolist() == [2, 3, 4, 5, 6, 0, 0, 1]


@pytest.mark.parametrize(("seconds", "faster"), [(0.5, True), (0.9, False), (2.0, False)])
def test_bfloat16_pays_on_a_cpu_that_multiplies_faster_with_it(
    monkeypatch: pytest.MonkeyPatch, seconds: float, faster: bool
) -> None:
    monkeypatch.setattr(models, "_product_s", lambda dtype: seconds if dtype == torch.bfloat16 else 1.0)
    assert models.bf16_is_faster("cpu") is faster


def test_layers_can_be_chosen_and_frozen(checkpoint: Callable[[str], Path]) -> None:
    whole = load_trunk(checkpoint("bert"), TrunkOptions())
    upper = load_trunk(checkpoint("bert"), TrunkOptions(layers=(1,), freeze_tokens=True))
    assert upper.config.num_hidden_layers == 1
    kept, original = (trunk.encoder.layer[-1].output.dense.weight for trunk in (upper, whole))
    assert torch.equal(kept, original)
    assert not any(one.requires_grad for one in upper.embeddings.parameters())
    lower = load_trunk(checkpoint("bert"), TrunkOptions(freeze_layers=1))
    assert [next(layer.parameters()).requires_grad for layer in lower.encoder.layer] == [False, True]


def test_a_residual_is_added_to_the_scores_and_worst_where_nothing_is_known(
    checkpoint: Callable[[str], Path], corpus: Path
) -> None:
    tiny = Tiny(checkpoint("bert"), corpus)
    model = CrossEncoder(tiny.trunk)
    known = np.array([[3.0, 1.0, np.nan], [np.nan, np.nan, np.nan], [2.0, np.nan, 5.0]], np.float32)

    class Known:
        def lookup(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
            return known

    source = InBatchNegatives(tiny.training, Relevance(tiny.training))
    objectives = [
        CrossObjective(model, tiny.assembler(1000), source, CrossOptions(negatives=2, bf16=False, residual=2.0), **more)
        for more in ({}, {"first_stage": Known()})
    ]
    plain, residual = (one.prepare(ROWS[:3], np.random.default_rng(0)) for one in objectives)
    expected = torch.tensor([[3.0, 1.0, 1.0], [0.0, 0.0, 0.0], [2.0, 2.0, 5.0]])
    assert torch.equal(torch.from_numpy(residual.first_stage), expected)
    with torch.inference_mode():
        scores = objectives[0]._scores(plain, torch.device("cpu"))
        wanted = listwise_cross_entropy(scores + 2.0 * expected, torch.ones(3, 3, dtype=torch.bool), 1.0)
    assert objectives[1].backward(residual, 1.0) == pytest.approx(float(wanted), rel=1e-5)
