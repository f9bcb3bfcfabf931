"""The loop: batches prepared ahead, AdamW, warm-up and linear decay, log, evaluation, checkpoint, exact resume."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeseek.errors import DataError, UsageError
from codeseek.train.batches import epoch_batches, epoch_random
from codeseek.train.checkpoint import RunState, checkpoint_exists, load_checkpoint, save_checkpoint
from codeseek.train.data import TrainingSet
from codeseek.train.models import nn, torch
from codeseek.train.objectives import Objective
from codeseek.train.prefetch import iter_ahead
from codeseek.train.world import World

__all__ = ["LoopOptions", "Trainer", "learning_rate_factor"]

# Batches prepared ahead of the step: numpy work of a few milliseconds against a step of seconds.
PREPARED_BATCHES = 3


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """Args:
    batch: Queries a batch.
    accumulate: Batches an optimiser step.
    epochs: Passes over the pairs, at most.
    max_steps: Optimiser steps at most; 0 for no limit.
    max_minutes: Wall minutes at most, over all continuations; 0 for no limit. The schedule follows whichever of steps
        and time is further on, so a run that the clock ends has still decayed to 0.
    learning_rate: Peak of the trunk's; 2e-5 in the paper, for models four times as wide.
    head_factor: The head, which starts from nothing, learns at this multiple.
    warmup: Share of the run in which the rate rises.
    weight_decay: Of AdamW, on matrices only.
    max_gradient_norm: Longer gradients are shortened to it.
    seed: Of everything drawn.
    alike: Share of the stretches of batches that are sorted by repository.
    log_every: Steps between two lines of the log.
    save_minutes: Minutes between two checkpoints.
    evaluate_every: Steps between two evaluations; 0 for one at the end only.
    """

    batch: int = 16
    accumulate: int = 1
    epochs: int = 1
    max_steps: int = 0
    max_minutes: float = 0.0
    learning_rate: float = 5e-5
    head_factor: float = 1.0
    warmup: float = 0.06
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    seed: int = 0
    alike: float = 0.0
    log_every: int = 20
    save_minutes: float = 10.0
    evaluate_every: int = 0


def learning_rate_factor(progress: float, warmup: float) -> float:
    """Linear from 0 to 1 over the first `warmup` of the run, then linear to 0. Progress is clipped to [0, 1]."""
    progress = min(max(progress, 0.0), 1.0)
    return progress / warmup if progress < warmup else (1.0 - progress) / (1.0 - warmup)


def _optimizer(model: nn.Module, options: LoopOptions) -> Any:
    """AdamW in two groups a part: matrices with weight decay, vectors without; the head at its own rate."""
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = (name.startswith("head."), parameter.ndim >= 2)
            groups.setdefault(key, []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "factor": options.head_factor if head else 1.0,
                "weight_decay": options.weight_decay if matrix else 0.0,
            }
            for (head, matrix), parameters in groups.items()
        ],
        lr=options.learning_rate,
        betas=(0.9, 0.98),
        eps=1e-8,
    )


class Trainer:
    """Runs an objective.

    Args:
        objective: What a batch is and how it yields gradients.
        model: What is trained, not wrapped.
        training: The pairs.
        options: See `LoopOptions`.
        out: The run's folder: `log.jsonl`, `checkpoint/`, and the model itself through `save`.
        record: Every option of the run, for the checkpoint: a continuation must agree with it.
        save: Writes the model to a folder.
        evaluate: Gives the development measures of the model, the one that decides first; None for no evaluation.
        report: Called with each line of the log.
        world: The processes that train together.

    Raises:
        DataError: If the pairs do not fill a batch.
        UsageError: If a batch cannot be shared evenly.
    """

    def __init__(
        self,
        objective: Objective,
        model: nn.Module,
        training: TrainingSet,
        options: LoopOptions,
        out: Path,
        *,
        record: Mapping[str, Any],
        save: Callable[[Path], None],
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        report: Callable[[Mapping[str, Any]], None] = lambda line: None,
        world: World | None = None,
    ) -> None:
        self._objective, self._model, self._training = objective, model, training
        self._options, self._out, self._world = options, out, world or World()
        self._record = record
        self._save, self._evaluate, self._report = save, evaluate, report
        self._optimizer = _optimizer(model, options)
        self._stopping = threading.Event()
        if options.batch % self._world.size:
            raise UsageError(f"--batch {options.batch} cannot be shared evenly by {self._world.size} processes")
        per_epoch = len(epoch_batches(training, options.batch, options.seed, 0, alike=options.alike))
        if not per_epoch:
            raise DataError(f"{len(training)} pairs do not fill a batch of {options.batch} queries without duplicates")
        steps = per_epoch * options.epochs // options.accumulate
        self.total_steps = max(1, min(steps, options.max_steps) if options.max_steps else steps)
        self.state = RunState()

    @property
    def stopped(self) -> bool:
        """Whether `stop` ended the run before its time."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Asks the loop to write a checkpoint after the current step and return; safe in a signal handler."""
        self._stopping.set()

    def run(self, *, resume: bool = False) -> RunState:
        """Trains until the steps, the epochs or the minutes are used up, or `stop` is called.

        Args:
            resume: Go on from the checkpoint in the run's folder.

        Raises:
            UsageError: If the folder holds a checkpoint and `resume` is not set, or was begun with other options.
            DataError: If the loss stops being a number.
        """
        if resume:
            self.state = load_checkpoint(self._out, self._model, self._optimizer, self._record)
            if self._world.leads:
                self._cut_log(self.state.step)
        elif checkpoint_exists(self._out):
            raise UsageError(f"{self._out} holds a run already", hint="--resume to go on, or another folder")
        self._out.mkdir(parents=True, exist_ok=True)
        self._model.train()
        batches = iter_ahead(self._iter_prepared(), PREPARED_BATCHES)
        try:
            self._steps(batches)
        finally:
            batches.close()
        self._checkpoint()
        if not self._stopping.is_set():
            self._finish()
        self._world.wait()
        return self.state

    def _steps(self, batches: Iterator[tuple[int, int, Any]]) -> None:
        state, options = self.state, self._options
        began = time.monotonic() - state.seconds
        window = _Window()
        saved = time.monotonic()
        while state.step < self.total_steps and not self._time_is_up():
            loss, inputs = 0.0, 0
            rate = options.learning_rate * learning_rate_factor(self._progress(), options.warmup)
            for number in range(options.accumulate):
                state.epoch, state.batch, batch = next(batches)
                entered = time.monotonic()
                with self._quiet(number < options.accumulate - 1):
                    loss += self._objective.backward(batch, 1.0 / options.accumulate) / options.accumulate
                window.model_s += time.monotonic() - entered
                inputs += self._objective.inputs(batch)
            entered = time.monotonic()
            norm = self._update(rate)
            window.model_s += time.monotonic() - entered
            loss = self._world.mean(loss)
            if not math.isfinite(loss):
                raise DataError(f"loss is {loss} at step {state.step + 1}", hint="lower --learning-rate")
            window.inputs += inputs
            state.step += 1
            state.loss_sum += loss
            state.loss_steps += 1
            state.seconds = time.monotonic() - began
            if state.step % options.log_every == 0 or state.step == self.total_steps:
                self._log_step(window, rate, norm)
                window = _Window()
            if options.evaluate_every and state.step % options.evaluate_every == 0:
                self._measure()
                window = _Window()
            if time.monotonic() - saved > options.save_minutes * 60:
                self._checkpoint()
                saved = time.monotonic()

    def _time_is_up(self) -> bool:
        """Whether the clock or a signal ends the run here; every process goes by the leading one's."""
        seconds, stopping = self._world.agree([self.state.seconds, float(self._stopping.is_set())])
        self.state.seconds = seconds
        if stopping:
            self._stopping.set()
        limit = self._options.max_minutes * 60
        return bool(stopping) or bool(limit and seconds >= limit)

    def _quiet(self, more: bool) -> AbstractContextManager[Any]:
        """Processes exchange gradients with the last batch of a step only."""
        no_sync = getattr(self._objective.model, "no_sync", None)
        return no_sync() if more and no_sync is not None else nullcontext()

    def _update(self, rate: float) -> float:
        """One optimiser step; returns the length of the gradient before it was cut."""
        parameters = [one for group in self._optimizer.param_groups for one in group["params"]]
        norm = float(nn.utils.clip_grad_norm_(parameters, self._options.max_gradient_norm))
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return norm

    def _progress(self) -> float:
        """Of the step about to be made; the first step does not have a rate of 0."""
        by_steps = (self.state.step + 1) / (self.total_steps + 1)
        limit = self._options.max_minutes * 60
        return max(by_steps, self.state.seconds / limit if limit else 0.0)

    def _iter_prepared(self) -> Iterator[tuple[int, int, Any]]:
        """Yields epoch, batches of it done once this one is, and the batch."""
        epoch, start = self.state.epoch, self.state.batch
        options = self._options
        while True:
            batches = epoch_batches(self._training, options.batch, options.seed, epoch, alike=options.alike)
            for number in range(start, len(batches)):
                random = epoch_random(options.seed, epoch, number + 1)
                yield epoch, number + 1, self._objective.prepare(batches[number], random)
            epoch, start = epoch + 1, 0

    def _measure(self) -> None:
        if self._evaluate is None:
            return
        if self._world.leads:
            began = time.monotonic()
            self._model.eval()
            with torch.no_grad():
                measures = dict(self._evaluate())
            self._model.train()
            decisive = next(iter(measures.values()))
            if self.state.best is None or decisive > self.state.best:
                self.state.best, self.state.best_step = decisive, self.state.step
                self._save(self._out)
            self._log({"step": self.state.step, "evaluation_s": round(time.monotonic() - began, 1), **measures})
        self._world.wait()

    def _finish(self) -> None:
        """Evaluates the last step, unless that was just done, and, without an evaluation to choose by, keeps it."""
        every = self._options.evaluate_every
        if not every or self.state.step % every:
            self._measure()
        if self._world.leads:
            self._save(self._out if self._evaluate is None else self._out / "last")

    def _checkpoint(self) -> None:
        if self._world.leads:
            save_checkpoint(self._out, self._model, self._optimizer, self.state, self._record)

    def _log_step(self, window: _Window, rate: float, norm: float) -> None:
        state = self.state
        spent = max(time.monotonic() - window.began, 1e-9)
        line = {
            "step": state.step,
            "of": self.total_steps,
            "epoch": state.epoch,
            "loss": round(state.loss_sum / state.loss_steps, 6),
            "learning_rate": rate,
            "gradient_norm": round(norm, 4),
            "pairs_per_s": round(window.inputs / spent, 1),
            "model_share": round(window.model_s / spent, 3),
            "minutes": round(state.seconds / 60, 2),
        }
        state.loss_sum, state.loss_steps = 0.0, 0
        self._log(line)

    def _log(self, line: Mapping[str, Any]) -> None:
        if not self._world.leads:
            return
        with (self._out / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        self._report(line)

    def _cut_log(self, step: int) -> None:
        """Drops the lines that a killed run wrote after its last checkpoint: they will be written again."""
        path = self._out / "log.jsonl"
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
            path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


class _Window:
    """What happened since the last line of the log."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.model_s = 0.0
        self.inputs = 0
