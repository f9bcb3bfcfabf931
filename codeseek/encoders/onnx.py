"""The door to onnxruntime: forward passes on the CPU, one a core.

Cores that each have a batch of their own need not wait for each other at every operator, and what a small batch makes
stays in a core's own cache: a seventh faster than large batches that all cores share (LOG.md). The graphs come out of
`train/export.py` with their operators already fused, so nothing is optimised at load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from codeseek.device import cpu_threads
from codeseek.encoders.feeding import Batch
from codeseek.errors import REINSTALL, ModelError

__all__ = ["OnnxModel"]

# Rows and padded tokens of a batch: two long texts, so that cores also share the few that a search reranks evenly.
BATCH_LIMITS = (32, 256)
# A graph without weights is some 30 KB; a larger one was not written by `export.py`.
GRAPH_MAX_BYTES = 16 << 20


class OnnxModel:
    """A graph with inputs `ids`, `lengths` and, where pairs are read, `types`; one output."""

    limits = BATCH_LIMITS

    def __init__(self, graph: Path, threads: int | None = None) -> None:
        """Opens a graph whose weights lie beside it.

        Raises:
            ModelError: If the graph or its weights are missing, damaged or not for this onnxruntime.
        """
        try:
            if graph.stat().st_size > GRAPH_MAX_BYTES:
                raise ModelError(f"cannot load {graph}: larger than {GRAPH_MAX_BYTES} bytes")
        except OSError as error:
            raise ModelError(f"cannot load {graph}: {error.strerror or error}") from error
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelError("onnxruntime is not installed", hint=REINSTALL) from error

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4  # failures are raised
        try:
            self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ModelError(f"cannot load {graph}: {_first_line(error)}") from error
        self._inputs = {value.name for value in self._session.get_inputs()}
        self._threads = threads or cpu_threads()

    def run_all(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, np.ndarray]]:
        """Yields each batch with what `run` gives, in the order given.

        Raises:
            ModelError: As `run`.
        """
        waiting = list(batches)
        threads = min(self._threads, len(waiting))
        if threads <= 1:
            for batch in waiting:
                yield batch, self.run(batch)
            return
        from concurrent.futures import ThreadPoolExecutor  # which loads logging, for nothing where one text is read

        pool = ThreadPoolExecutor(threads)  # onnxruntime lets go of the interpreter's lock
        try:
            yield from zip(waiting, pool.map(self.run, waiting), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the batches under way alone

    def run(self, batch: Batch) -> np.ndarray:
        """Returns [B, D] or [B] float32, as the graph ends in vectors or logits.

        Raises:
            ModelError: If the graph cannot be run, as when memory is short.
        """
        inputs = {"ids": batch.ids, "types": batch.types, "lengths": batch.lengths}
        try:
            (found,) = self._session.run(None, {name: inputs[name] for name in self._inputs})
        except Exception as error:
            raise ModelError(f"the model failed on {batch.ids.shape} tokens: {_first_line(error)}") from error
        return found


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
