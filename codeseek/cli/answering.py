"""From what was typed for `search` and `similar` to working objects, and from these to printed answers.

Two steps: `SearchArguments` holds the words as typed; `plan_*` checks them all before anything is opened and gives a
`SearchPlan`; `run_*` opens the index and prints.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from codeseek.cli.choices import DEVICES, OUTPUT_FORMATS, known_kinds, parse_choice, parse_choices, parse_languages
from codeseek.cli.failures import EXIT_ERROR, EXIT_NO_HIT
from codeseek.cli.places import locate_from, parse_place, search_root
from codeseek.cli.progress import BUILD_INTERRUPTED, ProgressReport
from codeseek.cli.queries import Query, check_query, read_batch
from codeseek.cli.streams import is_terminal, notice, results_stream, wants_color
from codeseek.cli.tables import counted
from codeseek.config import Config, load_config
from codeseek.errors import CodeseekError, IndexLocked, UsageError
from codeseek.printers import Printer, QueryOutcome, Style, Summary, open_printer
from codeseek.types import Answer, Filters, Freshness, Kind

if TYPE_CHECKING:
    from codeseek.search import Searcher

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SearchArguments:
    """What was typed; None and empty where nothing was."""

    query: str = ""
    paths: tuple[str, ...] = ()
    limit: int | None = None
    root: Path | None = None
    lang: tuple[str, ...] = ()
    glob: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    context: int | None = None
    format: str | None = None
    no_rerank: bool = False
    depth: int | None = None
    budget_ms: int | None = None
    min_score: float | None = None
    explain: bool = False
    batch: Path | None = None
    no_update: bool = False
    wait: bool = False
    device: str | None = None
    encoder: str | None = None
    ranker: str | None = None


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A search that can run: everything checked, defaults and configuration filled in.

    `queries` is lazy, so that a batch from a pipe is answered as it comes. `place` is what `similar` starts from.
    """

    root: Path
    queries: Iterator[Query]
    place: tuple[str, int] | None
    filters: Filters
    limit: int
    rerank: bool
    depth: int | None
    budget_ms: int | None
    min_score: float | None
    update: bool
    wait: bool
    device: str
    encoder: str | None
    ranker: str | None
    max_file_bytes: int | None
    format: str
    style: Style


def plan_search(arguments: SearchArguments) -> SearchPlan:
    """Returns the plan of `codeseek search`.

    Raises:
        UsageError: On the first argument that makes no sense.
        ConfigError: If the user's configuration cannot be used.
    """
    if arguments.batch is not None:
        if arguments.query:
            # The first positional is then no query but a path, as with every other use of --batch.
            arguments = replace(arguments, query="", paths=(arguments.query, *arguments.paths))
        queries = read_batch(arguments.batch)
    else:
        query = sys.stdin.read() if arguments.query == "-" else arguments.query
        queries = iter((Query("1", check_query(query)),))
    root, inside = search_root(arguments.root, arguments.paths, query=arguments.query)
    return _plan(arguments, root, inside, queries, None)


def plan_similar(place: str, arguments: SearchArguments) -> SearchPlan:
    """Returns the plan of `codeseek similar`; raises as `plan_search`."""
    file, line = parse_place(place)
    root, inside = search_root(arguments.root, (str(file),), query="")
    return _plan(arguments, root, (), iter(()), (inside[0], line))


def _plan(
    arguments: SearchArguments,
    root: Path,
    inside: tuple[str, ...],
    queries: Iterator[Query],
    place: tuple[str, int] | None,
) -> SearchPlan:
    config = load_config()
    format = _format(arguments.format, config)
    return SearchPlan(
        root=root,
        queries=queries,
        place=place,
        filters=Filters(
            languages=parse_languages("--lang", arguments.lang),
            kinds=frozenset(Kind(kind) for kind in parse_choices("--kind", arguments.kind, known_kinds())),
            globs=arguments.glob,
            paths=inside,
        ),
        limit=_first(arguments.limit, config.limit),
        rerank=config.rerank and not arguments.no_rerank,
        depth=_first(arguments.depth, config.depth),
        budget_ms=arguments.budget_ms,
        min_score=_first(arguments.min_score, config.min_score),
        update=not arguments.no_update,
        # A batch is a job for all of the index, and neighbours are known by their vectors alone.
        wait=arguments.wait or config.wait or arguments.batch is not None or place is not None,
        device=parse_choice("--device", _first(arguments.device, config.device), DEVICES),
        encoder=_first(arguments.encoder, config.encoder),
        ranker=_first(arguments.ranker, config.ranker),
        max_file_bytes=config.max_file_size,
        format=format,
        style=Style(
            locate=locate_from(root, Path.cwd()),
            context=_first(arguments.context, config.context if format == "terminal" else None),
            explain=arguments.explain,
            batch=arguments.batch is not None,
            color=wants_color(sys.stdout),
        ),
    )


def _first(typed: T | None, configured: T) -> T:
    return configured if typed is None else typed


def _format(typed: str | None, config: Config) -> str:
    if typed is not None:
        return parse_choice("--format", typed, OUTPUT_FORMATS)
    return config.format or "terminal" if is_terminal(sys.stdout) else "plain"


def run_search(plan: SearchPlan) -> int:
    """Answer each query of the plan.

    Returns:
        The exit code: 0 if any query has a hit, 1 if none has, 2 if a query of a batch failed.
    """

    def answers(searcher: Searcher) -> Iterator[Answer | CodeseekError]:
        for query in plan.queries:
            if query.failure is not None:
                yield query.failure
                continue
            try:
                yield searcher.search(
                    query.text,
                    query_id=query.query_id,
                    limit=plan.limit,
                    filters=plan.filters,
                    rerank=plan.rerank,
                    depth=plan.depth,
                    budget_ms=plan.budget_ms,
                )
            except UsageError as error:
                yield error

    return _run(plan, answers)


def run_similar(plan: SearchPlan) -> int:
    """Print what resembles the plan's place; exit codes as `run_search`."""
    assert plan.place is not None
    path, line = plan.place

    def answers(searcher: Searcher) -> Iterator[Answer | CodeseekError]:
        yield searcher.similar(path, line, limit=plan.limit, filters=plan.filters)

    return _run(plan, answers)


def _run(plan: SearchPlan, answers: Callable[[Searcher], Iterator[Answer | CodeseekError]]) -> int:
    from codeseek.search import open_searcher

    started = time.perf_counter()
    printer = open_printer(plan.format, results_stream(utf8=plan.format in ("json", "jsonl")), plan.style)
    with ProgressReport(f"indexing {plan.root}", interrupted=BUILD_INTERRUPTED) as progress:
        open_now = partial(
            open_searcher,
            plan.root,
            encoder=plan.encoder,
            ranker=plan.ranker if plan.rerank else None,
            device=plan.device,
            progress=progress,
            update=plan.update,
            wait=plan.wait,
            max_file_bytes=plan.max_file_bytes,
        )
        searcher = _when_unlocked(open_now)
    with searcher:
        if progress.announced or searcher.built:
            notice(_update_report(searcher.freshness, progress, built=searcher.built))
        for note in searcher.notes:
            notice(note)
        if searcher.lag:
            notice(f"{searcher.lag}; this answers from what was indexed before")
        outcomes: list[QueryOutcome] = []
        failures = 0
        for answer in answers(searcher):
            if isinstance(answer, CodeseekError):
                failures += 1
                notice(str(answer), hint=answer.hint)
                continue
            answer = _print_answer(plan, printer, answer, searcher.freshness)
            outcomes.append(QueryOutcome.of(answer))
        printer.print_summary(
            Summary(
                plan.root,
                searcher.freshness,
                searcher.built,
                tuple(outcomes),
                time.perf_counter() - started,
                searcher.lag,
            )
        )
        if plan.update and not searcher.lag and searcher.freshness.coverage < 1:
            _go_on_in_background(plan, searcher.freshness)
    if failures:
        return EXIT_ERROR
    return 0 if any(outcome.hits for outcome in outcomes) else EXIT_NO_HIT


def _when_unlocked(open_now: Callable[[], Searcher]) -> Searcher:
    """As `open_now`, after whoever else builds the index now."""
    told = False
    while True:
        try:
            return open_now()
        except IndexLocked as error:
            if not told:
                notice(f"{error}; waiting for it")
            told = True


def _go_on_in_background(plan: SearchPlan, freshness: Freshness) -> None:
    """Says how much of the index has vectors, and lets the rest be made behind the answer."""
    from codeseek.background import last_failure, start_fill

    failure = last_failure(plan.root)
    started = start_fill(plan.root, encoder=plan.encoder, device=plan.device)
    if plan.format in ("terminal", "plain"):
        others = "the others follow in the background" if started else "codeseek index makes the others"
        share = max(int(100 * freshness.coverage), min(freshness.vectors, 1))
        notice(f"{share} % of chunks have vectors, {others}; until then their words alone find them")
        if failure:
            notice(f"in the background it failed before: {failure}", hint=f"see more: codeseek index {plan.root}")


def _print_answer(plan: SearchPlan, printer: Printer, answer: Answer, freshness: Freshness) -> Answer:
    """Returns the answer as it was printed, without the hits below `--min-score`."""
    best = max((hit.score for hit in answer.hits), default=None)
    if plan.min_score is not None:
        kept = tuple(hit for hit in answer.hits if hit.score >= plan.min_score)
        answer = replace(answer, hits=kept)
    for_people = plan.format in ("terminal", "plain") and not plan.style.batch
    if not answer.hits:
        if not plan.style.batch:
            report, hint = _empty_report(plan, answer, freshness, best)
            notice(report, hint=hint)
    elif answer.no_good_match and for_people:
        notice("nothing here seems to answer that; the nearest are:")
    printer.print_answer(answer)
    return answer


def _update_report(freshness: Freshness, progress: ProgressReport, *, built: bool) -> str:
    if built:
        done = f"built the index: {counted(freshness.files, 'file')}, {counted(freshness.chunks, 'chunk')}"
    elif freshness.updated_files or freshness.removed_files:
        changed = counted(freshness.updated_files, "file")
        done = f"updated the index: {changed} changed, {freshness.removed_files:,} removed"
    else:
        done = "made the vectors that were missing" if "encode" in progress.stages else "nothing has changed"
    return f"{done}, in {progress.seconds:.1f} s"


def _empty_report(plan: SearchPlan, answer: Answer, freshness: Freshness, best: float | None) -> tuple[str, str]:
    """An empty answer is never silent: what was searched, what confined it, and what may help."""
    searched = f"{answer.searched_chunks:,} of {freshness.chunks:,} chunks in {freshness.files:,} files"
    confined = describe_filters(plan.filters)
    within = f" with {confined}" if confined else ""
    if best is not None:
        report = f"no hit scores {plan.min_score:g} or more, the best scores {best:.2f}: searched {searched}{within}"
        return report, "lower --min-score, or min_score in the configuration"
    hint = ""
    if not freshness.chunks:
        hint = f"see what was skipped: codeseek index --verbose {plan.root}"
    elif confined and not answer.searched_chunks:
        hint = "nothing passes the filters: codeseek status shows which languages are there"
    return f"no hit: searched {searched}{within}", hint


def describe_filters(filters: Filters) -> str:
    """Returns the filters as the options that set them."""
    words = [
        *(f"--lang {language}" for language in sorted(filters.languages)),
        *(f"--kind {kind}" for kind in sorted(filters.kinds)),
        *(f"-g '{glob}'" for glob in filters.globs),
        *filters.paths,
    ]
    return " ".join(words)
