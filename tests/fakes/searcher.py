"""A search that answers by hand: it stands where `codeseek.search` does; its hits can be read off the query.

`python tests/fakes/searcher.py ARGUMENTS` is the real `codeseek` over it, for tests of terminals and pipes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from codeseek.types import Answer, Filters, Freshness, Hit, Kind, Span

FRESHNESS = Freshness(files=3, chunks=40, updated_files=1, removed_files=0, vectors=40)


@dataclass
class FakeSearcher:
    """Answers a query with one hit a word; the score of the first is 0.9, and each next has 0.2 less.

    The query "nothing" has no hit, "nonsense" one that is no good match.
    """

    root: Path
    options: dict[str, Any]
    freshness: Freshness = FRESHNESS
    built: bool = False
    lag: str = ""
    notes: tuple[str, ...] = ()
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> FakeSearcher:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def search(self, query: str, *, query_id: str = "1", limit: int = 10, **options: Any) -> Answer:
        self.calls.append({"query": query, "query_id": query_id, "limit": limit, **options})
        words = [] if query == "nothing" else query.split()[:limit]
        hits = tuple(self._hit(rank, word) for rank, word in enumerate(words, start=1))
        return Answer(query_id, query, hits, {"total": 1.0}, 40, no_good_match=query == "nonsense")

    def similar(self, path: str, line: int, *, limit: int, filters: Filters) -> Answer:
        self.calls.append({"path": path, "line": line, "limit": limit, "filters": filters})
        return Answer("1", f"{path}:{line}", (self._hit(1, "alike"),), {}, 40)

    def _hit(self, rank: int, word: str) -> Hit:
        return Hit(
            rank=rank,
            path=f"src/{word}.py",
            span=Span(rank, rank + 1),
            language="python",
            kind=Kind.FUNCTION,
            name=word,
            score=round(1.1 - 0.2 * rank, 2),
            found_by=("lexical",),
            stages={"lexical": 1.0},
            text=f"def {word}():\n    return {rank}\n",
        )


def fake_module(opened: list[FakeSearcher]) -> ModuleType:
    """Returns a module to stand for `codeseek.search`; it appends each searcher that it opens to `opened`."""

    def open_searcher(root: Path, **options: Any) -> FakeSearcher:
        opened.append(FakeSearcher(root, options))
        return opened[-1]

    module = ModuleType("codeseek.search")
    module.open_searcher = open_searcher  # type: ignore[attr-defined]
    return module


if __name__ == "__main__":
    from codeseek.__main__ import main

    sys.modules["codeseek.search"] = fake_module([])
    main()
