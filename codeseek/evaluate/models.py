"""The models and weights that a search would use, loaded when first needed."""

from __future__ import annotations

from codeseek.evaluate.stages import Models
from codeseek.retrievers.fusion import find_blend

__all__ = ["load_models"]


def load_models(
    encoder: str | None, ranker: str | None, device: str, *, vectors: bool = True, rerank: bool = True
) -> Models:
    """The models as `search.open_searcher` chooses them.

    Args:
        encoder: A folder or a hub id; None for the shipped one.
        ranker: The same for the cross-encoder.
        device: auto, cpu, cuda or mps.
        vectors: False leaves the dual-encoder out.
        rerank: False leaves the cross-encoder out, as `identity` does.

    Raises:
        ModelError: If a model or its weights cannot be read.
    """
    chosen, blend = None, find_blend(None)
    if vectors:
        from codeseek.encoders import LazyEncoder

        chosen = LazyEncoder(encoder, device)
        blend = find_blend(chosen.folder)
    if not rerank:
        return Models(chosen, None, blend)
    from codeseek.rankers import IdentityRanker, LazyRanker

    reader = LazyRanker(ranker, device)
    # A search asks `identity` nothing, and keeps the weights of the first stage.
    return Models(chosen, None if reader.name == IdentityRanker.name else reader, blend)
