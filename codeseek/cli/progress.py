"""The progress of long jobs on standard error: a bar on a terminal, elsewhere a line at the start and the end."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from codeseek.cli.streams import is_terminal, notice

# A shorter job is over before a bar could be read (the usual threshold of perceived delay is 0.1 to 1 s; unmeasured).
QUIET_S = 0.4

UNITS = {"walk": "files", "chunk": "files", "encode": "chunks"}  # what the stages of a build count

# Of a build: what was read and encoded before the interrupt is kept.
BUILD_INTERRUPTED = "interrupted; the next command continues from here"


class ProgressReport:
    """A `types.Progress`, and the context in which its bar is alive.

    The start is announced only once the job is longer than `quiet_s`, so that an update of one file stays silent.
    An announced job that Ctrl-C ends says `interrupted`, if that is given.
    """

    def __init__(self, announcement: str, *, quiet_s: float = QUIET_S, interrupted: str = "") -> None:
        self._announcement = announcement
        self._interrupted = interrupted
        self._quiet_until = time.monotonic() + quiet_s
        self._started = time.monotonic()
        self._announced = False
        self.stages: set[str] = set()
        """Those that there were."""
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    @property
    def announced(self) -> bool:
        """Whether the user has seen anything of this job."""
        return self._announced

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._announced and self._interrupted and kind is not None and issubclass(kind, KeyboardInterrupt):
            notice(self._interrupted)

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.stages.add(stage)
        if not self._announced:
            if time.monotonic() < self._quiet_until:
                return
            self._announced = True
            notice(self._announcement)
            if is_terminal(sys.stderr):
                self._bar = _open_bar()
        if self._bar is None:
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total or None)
        self._bar.update(self._tasks[stage], completed=done, total=total or None)


def _open_bar() -> Any:
    """Rich costs 0.1 s of imports, so only a job that is worth a bar pays for it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.progress import Task as RichTask
    from rich.text import Text

    class RateColumn(TextColumn):
        """Finished pieces a second."""

        def render(self, task: RichTask) -> Text:
            speed = task.finished_speed or task.speed
            unit = UNITS.get(task.description, "")
            return Text(f"{speed:,.0f} {unit}/s".replace(" /", "/") if speed and task.total != 1 else "")

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(""),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bar.start()
    return bar
