"""Evaluation on the user's own repository: queries from its documentation, history and tests, and the settings to
choose.

The documentation that a query was made from is taken out of the index, or the query would find itself. Such queries are
easier than questions that people ask: the figures compare settings on one repository, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from codeseek.cascade import DEFAULT_DEPTH, rank_pool
from codeseek.errors import DataError
from codeseek.evaluate.corpus import Corpus, open_corpus
from codeseek.evaluate.curves import DepthPoint
from codeseek.evaluate.datasets import DataSet, Part
from codeseek.evaluate.job import Evaluation
from codeseek.evaluate.measures import measure, reciprocal_rank
from codeseek.evaluate.report import make_report
from codeseek.evaluate.significance import Difference, paired_difference
from codeseek.evaluate.stages import CachedRanker, Models, retrieve_pools, run_stages
from codeseek.retrievers.fusion import Blend
from codeseek.train.documentation_queries import MinedQuery
from codeseek.train.mining import MiningOptions, draw, mine_queries, read_repository
from codeseek.train.undocumented import without_documentation
from codeseek.types import Chunk, Progress

__all__ = ["OwnEvaluation", "OwnOptions", "Setting", "evaluate_own", "format_settings", "settings_record"]

MIN_QUERIES = 5
FEW_QUERIES = 50  # below, only large differences can be told from chance
SIGNIFICANT_P = 0.05
# A setting that is surely not worse than this much of MRR counts as good as another one.
INDIFFERENCE = 0.01
FASTER_SHARE = 0.9  # of the time, from which a setting counts as faster


@dataclass(frozen=True, slots=True)
class OwnOptions:
    """Args:
    queries: At most; half of them from documentation where there is enough of the other kinds.
    depth: The depth that the others are compared with.
    depths: Depths compared.
    ranker_factors: Multiples of the ranker's weight that are compared at `depth`.
    seed: Of what is drawn.
    """

    queries: int = 200
    depth: int = DEFAULT_DEPTH
    depths: tuple[int, ...] = (10, 20, 30, 50)
    ranker_factors: tuple[float, ...] = (0.5, 2.0)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to search. `options` is what to type; `values` [Q] reciprocal ranks; `against` the one in use."""

    name: str
    options: str
    values: np.ndarray
    milliseconds: float
    against: Difference | None

    @property
    def mrr(self) -> float:
        return float(self.values.mean())


@dataclass(frozen=True, slots=True)
class OwnEvaluation:
    """`kinds` counts the queries by their source; the first of `settings` is the one in use."""

    evaluation: Evaluation
    settings: tuple[Setting, ...]
    kinds: Mapping[str, int]


def evaluate_own(root: Path, models: Models, options: OwnOptions, *, progress: Progress | None = None) -> OwnEvaluation:
    """Mines queries, measures each stage on them, and compares settings.

    Args:
        root: The repository; its history is read where it has a `.git`.
        models: As a search would use them.
        options: How much to ask and what to compare.
        progress: Told the stages "chunk", "encode" and "query".

    Raises:
        DataError: If the repository gives too few queries.
    """
    files = read_repository(root)
    queries = _choose(mine_queries(root, files, MiningOptions(variants=False), Counter()), options)
    if len(queries) < MIN_QUERIES:
        raise DataError(
            f"{root} gives {len(queries)} queries, wanted at least {MIN_QUERIES}",
            hint="its code has too little documentation and history; evaluate on another repository",
        )
    hidden = {query.targets[0] for query in queries if query.kind == "documentation"}
    served = {
        path: [(name, without_documentation(chunk) if name in hidden else chunk) for name, chunk in entries]
        for path, entries in files.items()
    }
    part = _part(queries, {name: chunk for entries in served.values() for name, chunk in entries})
    kinds = Counter(query.kind for query in queries)
    notes = (
        ", ".join(f"{count} from {kind}" for kind, count in kinds.most_common()),
        "documentation that became a query is not in the index; these queries are easier than people's questions",
    )
    dataset = DataSet("own", (part,), averaged=False, notes=notes)
    with open_corpus(served, models.encoder, progress=progress) as corpus:
        runs = run_stages(corpus, part.queries, models, depth=options.depth, progress=progress)
        settings = _compare(corpus, part, models, options)
    report = make_report(dataset, [runs])
    curve = [
        DepthPoint(
            int(setting.options.split()[-1]) if "--depth" in setting.options else 0,
            setting.values,
            setting.milliseconds,
        )
        for setting in settings
        if "--depth" in setting.options or "--no-rerank" in setting.options
    ]
    curve.sort(key=lambda point: point.depth)
    return OwnEvaluation(Evaluation(dataset, report, [runs], [curve] if curve else []), settings, kinds)


def _choose(queries: Sequence[MinedQuery], options: OwnOptions) -> list[MinedQuery]:
    """At most `options.queries`, documentation giving way to the kinds that people wrote as a request."""
    by_chance = sorted(queries, key=lambda query: draw(options.seed, f"{query.kind}\0{query.text}"))
    documented = [query for query in by_chance if query.kind == "documentation"]
    others = [query for query in by_chance if query.kind != "documentation"]
    from_others = min(len(others), max(options.queries // 2, options.queries - len(documented)))
    chosen = others[:from_others] + documented[: options.queries - from_others]
    texts: set[str] = set()
    return [query for query in chosen if not (query.text.lower() in texts or texts.add(query.text.lower()))]


def _part(queries: Sequence[MinedQuery], documents: Mapping[str, Chunk]) -> Part:
    return Part(
        "own",
        {f"{query.kind}-{number}": query.text for number, query in enumerate(queries)},
        documents,
        {f"{query.kind}-{number}": dict.fromkeys(query.targets, 1.0) for number, query in enumerate(queries)},
    )


def _compare(corpus: Corpus, part: Part, models: Models, options: OwnOptions) -> tuple[Setting, ...]:
    """Measures every setting on the same pools; each (query, document) is read by the ranker once."""
    pools = retrieve_pools(corpus, part.queries, models)
    first_stage_ms = float(np.median([ms for _, ms in pools.values()]))
    ranker = CachedRanker(models.ranker) if models.ranker is not None else None
    plans: list[tuple[str, str, Blend, int]] = []
    if ranker is not None:
        plans.append((f"depth {options.depth} (in use)", f"--depth {options.depth}", models.blend, options.depth))
        plans += [(f"depth {n}", f"--depth {n}", models.blend, n) for n in options.depths if n != options.depth]
        plans += [
            (f"ranker's weight x {factor:g}", "", _reweighted(models.blend, factor), options.depth)
            for factor in options.ranker_factors
        ]
    plans.append(("no reranking" + ("" if ranker is not None else " (in use)"), "--no-rerank", models.blend, 0))
    depth = options.depth if ranker is not None else 0
    plans.append(("no crowding", "", replace(models.blend, crowding=dict.fromkeys(models.blend.crowding, 0.0)), depth))
    measured = []
    for name, typed, blend, depth in plans:
        run = {}
        reads = []
        for query, (pool, _) in pools.items():
            ranked = rank_pool(pool, blend, ranker if depth else None, depth=max(depth, 1))
            run[query] = [corpus.ids[position] for position in pool.positions[ranked.rows]]
            reads.append(np.count_nonzero(~np.isnan(ranked.logits)))
        measured.append((name, typed, measure(run, part.qrels, reciprocal_rank), float(np.mean(reads))))
    document_ms = 1000 * ranker.seconds / ranker.read if ranker is not None and ranker.read else 0.0
    in_use = measured[0][2]
    return tuple(
        Setting(
            name,
            typed,
            values,
            first_stage_ms + count * document_ms,
            paired_difference([in_use], [values]) if place else None,
        )
        for place, (name, typed, values, count) in enumerate(measured)
    )


def _reweighted(blend: Blend, factor: float) -> Blend:
    """The blend with the ranker's logit counting `factor` times as much."""

    def reweighted(weights: Mapping[str, float]) -> dict[str, float]:
        return {name: weight * (factor if name == "ranker" else 1) for name, weight in weights.items()}

    return replace(
        blend,
        words_reranked=reweighted(blend.words_reranked),
        components_reranked=reweighted(blend.components_reranked),
        symbol_reranked=reweighted(blend.symbol_reranked),
    )


def recommend(settings: Sequence[Setting]) -> tuple[Setting, str]:
    """The setting that serves, of those that can be typed, and why.

    The best one if it is significantly better than the one in use, else the fastest one that is surely no more than
    `INDIFFERENCE` worse, else the one in use.
    """
    in_use = settings[0]
    compared = [(one, one.against) for one in settings[1:] if one.against is not None and one.options]
    better = [(one, gain) for one, gain in compared if gain.mean > 0 and gain.p < SIGNIFICANT_P]
    if better:
        best, gain = max(better, key=lambda pair: pair[0].mrr)
        return best, f"MRR {gain.mean:+.3f} over the setting in use, p {gain.p:.4f}"
    fast = [
        one
        for one, gain in compared
        if gain.low >= -INDIFFERENCE and one.milliseconds < FASTER_SHARE * in_use.milliseconds
    ]
    if fast:
        best = min(fast, key=lambda one: one.milliseconds)
        return (
            best,
            f"as good within {INDIFFERENCE}, in {best.milliseconds:.0f} instead of {in_use.milliseconds:.0f} ms",
        )
    return in_use, "no other setting is significantly better, none as good is faster"


def _better_weights(settings: Sequence[Setting]) -> list[Setting]:
    """Settings of the model's weights that are significantly better than those in use, best first."""
    found = [
        one
        for one in settings[1:]
        if not one.options and one.against is not None and one.against.mean > 0 and one.against.p < SIGNIFICANT_P
    ]
    return sorted(found, key=lambda one: -one.mrr)


def format_settings(own: OwnEvaluation) -> str:
    """The table of settings and the advice; lines end with a line feed."""
    lines = [f"{'setting':<28}{'MRR':>7}{'ms':>8}   against the one in use"]
    for one in own.settings:
        against = str(one.against) if one.against is not None else ""
        lines.append(f"{one.name:<28}{one.mrr:>7.3f}{one.milliseconds:>8.1f}   {against}".rstrip())
    chosen, reason = recommend(own.settings)
    typed = f": codeseek search {chosen.options}" if chosen.options else ""
    lines += ["", f"for this repository: {chosen.name}{typed} ({reason})"]
    for one in _better_weights(own.settings)[:1]:
        lines.append(
            f"other weights serve it better: {one.name}, MRR {one.mrr:.3f} (blend.json in the encoder's folder)"
        )
    count = len(own.settings[0].values)
    if count < FEW_QUERIES:
        lines.append(f"only {count} queries: take this as a hint")
    return "\n".join(lines) + "\n"


def settings_record(own: OwnEvaluation) -> list[dict[str, Any]]:
    """The settings as JSON; the recommended one says so."""
    chosen, _ = recommend(own.settings)
    return [
        {
            "name": one.name,
            "options": one.options,
            "MRR": round(one.mrr, 5),
            "ms": round(one.milliseconds, 2),
            "difference": round(one.against.mean, 5) if one.against else 0.0,
            "p": one.against.p if one.against else 1.0,
            "recommended": one is chosen,
        }
        for one in own.settings
    ]
