"""Losses against slow oracles."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from codeseek.train.losses import (  # noqa: E402
    ANSWER_WEIGHT,
    VECTOR_WEIGHT,
    info_nce,
    listwise_cross_entropy,
    listwise_divergence,
    margin_mse,
    vector_distillation,
)


def unit(rows: int, columns: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, columns, generator=generator), dim=-1)


def slow_info_nce(
    queries: torch.Tensor, documents: torch.Tensor, scale: float, excluded: set[tuple[int, int]]
) -> float:
    count, total = len(queries), 0.0
    score = [[scale * float(query @ document) for document in documents] for query in queries]
    for row in range(count):
        forward = sum(math.exp(score[row][j]) for j in range(len(documents)) if (row, j) not in excluded)
        backward = sum(math.exp(score[i][row]) for i in range(count) if (i, row) not in excluded)
        total += -math.log(math.exp(score[row][row]) / forward) - math.log(math.exp(score[row][row]) / backward)
    return total / (2 * count)


@pytest.mark.parametrize("excluded", [set(), {(0, 2), (3, 5)}])
def test_info_nce_equals_the_sum_written_out(excluded: set[tuple[int, int]]) -> None:
    queries, documents = unit(4, 8, 1), unit(7, 8, 2)
    mask = torch.zeros(4, 7, dtype=torch.bool)
    for cell in excluded:
        mask[cell] = True
    loss = info_nce(queries, documents, 20.0, excluded=mask)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(slow_info_nce(queries, documents, 20.0, excluded), rel=1e-5)


def test_info_nce_finds_the_positive_where_targets_say() -> None:
    vectors = torch.eye(4)
    assert float(info_nce(vectors, vectors, 50.0)) < 1e-6
    turned = torch.tensor([1, 2, 3, 0])
    assert float(info_nce(vectors, vectors, 50.0)) < float(info_nce(vectors, vectors, 50.0, targets=turned))
    assert float(info_nce(vectors[turned], vectors, 50.0, targets=turned)) < 1e-6


def test_listwise_loss_equals_the_softmax_of_column_0() -> None:
    scores = torch.tensor([[2.0, 1.0, 0.5], [0.0, 3.0, 9.0]])
    present = torch.tensor([[True, True, True], [True, True, False]])
    first = -math.log(math.exp(4) / (math.exp(4) + math.exp(2) + math.exp(1)))
    second = -math.log(1 / (1 + math.exp(6)))
    assert float(listwise_cross_entropy(scores, present, 2.0)) == pytest.approx((first + second) / 2, rel=1e-5)


def test_row_slices_equal_the_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, teacher = torch.randn(6, 5, generator=generator), torch.randn(6, 5, generator=generator)
    present = torch.rand(6, 5, generator=generator) > 0.3
    present[:, 0] = True
    for loss in (
        lambda rows: listwise_cross_entropy(scores[rows], present[rows], 3.0),
        lambda rows: listwise_divergence(scores[rows], teacher[rows], present[rows], 2.0),
    ):
        alone = [float(loss(slice(row, row + 1))) for row in range(6)]
        assert float(loss(slice(None))) == pytest.approx(sum(alone) / 6, rel=1e-5)


def test_a_missing_negative_has_neither_weight_nor_gradient() -> None:
    scores = torch.tensor([[1.0, 0.0, 50.0]], requires_grad=True)
    present = torch.tensor([[True, True, False]])
    loss = listwise_cross_entropy(scores, present, 1.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-5)
    assert scores.grad is not None
    assert scores.grad[0, 2] == 0
    assert torch.isfinite(scores.grad).all()


def test_divergence_is_zero_at_the_teacher_and_positive_elsewhere() -> None:
    teacher = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 7.0]])
    present = torch.tensor([[True, True, True], [True, True, False]])
    assert float(listwise_divergence(teacher + 5, teacher, present, 1.0)) == pytest.approx(0.0, abs=1e-6)
    assert float(listwise_divergence(-teacher, teacher, present, 1.0)) > 0.1


def test_divergence_of_queries_without_a_teacher_is_no_nan() -> None:
    scores = torch.randn(2, 3, requires_grad=True)
    loss = listwise_divergence(scores, torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool), 1.0)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert scores.grad is not None
    assert (scores.grad == 0).all()


def test_margin_mse_compares_margins_that_both_know() -> None:
    scores = torch.tensor([[3.0, 1.0, 0.0], [9.0, 0.0, 0.0]])
    teacher = torch.tensor([[5.0, 4.0, float("nan")], [float("nan"), 1.0, 1.0]])
    known = torch.tensor([[True, True, False], [False, True, True]])
    assert float(margin_mse(scores, teacher, known)) == pytest.approx((2.0 - 1.0) ** 2)


def test_vector_distillation_equals_the_sum_written_out() -> None:
    queries, documents, teacher = unit(2, 8, 1), unit(4, 8, 2), unit(4, 8, 3)
    excluded = torch.tensor([[False, False, True, False], [False] * 4])

    def softmax(row: torch.Tensor, of: torch.Tensor, left_out: torch.Tensor | None = None) -> list[float]:
        terms = [math.exp(20 * float(row @ one)) for one in of]
        if left_out is not None:
            terms = [0.0 if out else term for term, out in zip(terms, left_out.tolist(), strict=True)]
        return [term / sum(terms) for term in terms]

    total = VECTOR_WEIGHT * sum(1 - float(a @ b) for a, b in zip(documents, teacher, strict=True)) / 4
    for row, query in enumerate(queries):
        student, wanted = softmax(query, documents), softmax(query, teacher)
        total += sum(p * math.log(p / q) for p, q in zip(wanted, student, strict=True)) / 2
        total -= ANSWER_WEIGHT * math.log(softmax(query, documents, excluded[row])[row]) / 2
    for row, document in enumerate(teacher):
        itself = torch.arange(4) == row
        student, wanted = softmax(document, documents, itself), softmax(document, teacher, itself)
        total += sum(p * math.log(p / q) for p, q in zip(wanted, student, strict=True) if p) / 4
    loss = vector_distillation(queries, documents, teacher, 20.0, excluded=excluded)
    assert float(loss) == pytest.approx(total, rel=1e-4)
