"""The losses, on scores and vectors alone: no model, no data."""

from __future__ import annotations

from codeseek.train.models import Tensor, functional, torch

__all__ = [
    "info_nce",
    "listwise_cross_entropy",
    "listwise_divergence",
    "margin_mse",
    "marginal_cross_entropy",
    "vector_distillation",
]

# Of the three terms of `vector_distillation`; others are unmeasured.
VECTOR_WEIGHT, ORDER_WEIGHT, ANSWER_WEIGHT = 10.0, 1.0, 0.3


def info_nce(
    queries: Tensor,
    documents: Tensor,
    scale: float,
    *,
    targets: Tensor | None = None,
    excluded: Tensor | None = None,
) -> Tensor:
    """In-batch contrastive loss in both directions (van den Oord et al. 2018; symmetric as in CLIP).

    Each query is to find its document among all documents, and each positive its query among all queries; hard
    negatives have no query of their own, so they stand in the first direction only.

    Args:
        queries: [B, D] unit rows.
        documents: [N, D] unit rows, N >= B.
        scale: Multiplies the cosine; the inverse of the usual temperature (20 is 0.05).
        targets: [B] the row of each query's positive in `documents`; by default the first B rows in order.
        excluded: [B, N] bool; True where a document other than its positive is relevant to a query: no negative then.

    Returns:
        A scalar, the mean of the two directions.
    """
    if targets is None:
        targets = torch.arange(len(queries), device=queries.device)
    scores = queries @ documents.T * scale  # [B, N]
    if excluded is not None:
        scores = scores.masked_fill(excluded, float("-inf"))
    forward = functional.cross_entropy(scores, targets)
    backward = functional.cross_entropy(scores[:, targets].T, torch.arange(len(queries), device=queries.device))
    return (forward + backward) / 2


def listwise_cross_entropy(scores: Tensor, present: Tensor, temperature: float) -> Tensor:
    """Softmax cross-entropy of the positive against M negatives (Dong et al. 2023, section 3.2).

    Args:
        scores: [B, 1 + M], the positive in column 0.
        present: [B, 1 + M] bool; False where a negative is missing.
        temperature: Multiplies the scores: 20 or 40 in the paper, whose scores lie in [-1, 1]; 1 for logits.

    Returns:
        A scalar, the mean over the queries.
    """
    return -_log_softmax(scores, present, temperature)[:, 0].mean()


def listwise_divergence(scores: Tensor, teacher: Tensor, present: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) over the candidates that the teacher scored.

    Args:
        scores: [B, 1 + M] of the student.
        teacher: [B, 1 + M], of the same order; only read where `present`.
        present: [B, 1 + M] bool.
        temperature: Multiplies both sides' scores before the softmax.

    Returns:
        A scalar >= 0, the mean over the queries; 0 for a query with fewer than two candidates.
    """
    student = _log_softmax(scores, present, temperature)
    target = _log_softmax(teacher, present, temperature)
    terms = torch.where(present, target.exp() * (target - student), torch.zeros_like(student))
    return terms.sum(dim=1).mean()


def marginal_cross_entropy(scores: Tensor, relevant: Tensor) -> Tensor:
    """-log of the softmax mass on whatever answers: one good answer is enough, whichever it is.

    Args:
        scores: [B, N] logits.
        relevant: [B, N] bool, at least one a row.

    Returns:
        A scalar, the mean over the queries.
    """
    answers = scores.masked_fill(~relevant, float("-inf"))
    return (torch.logsumexp(scores, dim=1) - torch.logsumexp(answers, dim=1)).mean()


def margin_mse(scores: Tensor, teacher: Tensor, present: Tensor) -> Tensor:
    """Mean squared difference of student's and teacher's margins positive - negative (Hofstätter et al. 2020).

    Args:
        scores: [B, 1 + M], the positive in column 0.
        teacher: [B, 1 + M].
        present: [B, 1 + M] bool; a query whose positive is not present takes no part.

    Returns:
        A scalar, the mean over all margins; 0 where there is none.
    """
    usable = present[:, 1:] & present[:, :1]
    teacher = torch.where(present, teacher, torch.zeros_like(teacher))
    gap = (scores[:, :1] - scores[:, 1:]) - (teacher[:, :1] - teacher[:, 1:])
    return torch.where(usable, gap.square(), torch.zeros_like(gap)).sum() / usable.sum().clamp(min=1)


def vector_distillation(
    queries: Tensor, documents: Tensor, teacher: Tensor, scale: float, *, excluded: Tensor | None = None
) -> Tensor:
    """What an encoder of documents lacks of its teacher: in its vectors, in what they order, and in the answers.

    1 - cosine to the teacher's vector, KL(teacher || student) over each query's order of the batch's documents, the
    same with each document's teacher as a query for the others (so documents without queries teach too), and the
    cross-entropy of the positive, which may take the student beyond the teacher.

    Args:
        queries: [B, D] unit rows of the teacher.
        documents: [N, D] unit rows of the student, N >= B, the positives first.
        teacher: [N, D] unit rows of the teacher for the same documents.
        scale: Multiplies the cosine before a softmax.
        excluded: [B, N] bool, as in `info_nce`, for the positive's cross-entropy.

    Returns:
        A scalar.
    """
    apart = (1.0 - (documents * teacher).sum(dim=-1)).mean()
    student_scores = queries @ documents.T * scale
    order = _divergence(student_scores, queries @ teacher.T * scale)
    if len(teacher) > 1:
        others = ~torch.eye(len(teacher), dtype=torch.bool, device=teacher.device)
        alike = [(teacher @ vectors.T * scale)[others].view(len(teacher), -1) for vectors in (documents, teacher)]
        order = order + _divergence(*alike)
    if excluded is not None:
        student_scores = student_scores.masked_fill(excluded, float("-inf"))
    answers = functional.cross_entropy(student_scores, torch.arange(len(queries), device=queries.device))
    return VECTOR_WEIGHT * apart + ORDER_WEIGHT * order + ANSWER_WEIGHT * answers


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of the softmax over each row [B, N], the mean over the rows."""
    logs = [functional.log_softmax(scores, dim=1) for scores in (student, teacher)]
    return functional.kl_div(*logs, log_target=True, reduction="batchmean")


def _log_softmax(scores: Tensor, present: Tensor, temperature: float) -> Tensor:
    """Over the present columns; a row without any is all zero, so that it adds no gradient and no NaN."""
    empty = ~present.any(dim=1, keepdim=True)
    filled = torch.where(present | empty, scores * temperature, torch.full_like(scores, float("-inf")))
    filled = torch.where(empty, torch.zeros_like(filled), filled)
    logs = functional.log_softmax(filled, dim=1)
    return torch.where(present, logs, torch.zeros_like(logs))
