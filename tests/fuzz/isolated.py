"""A child process that does what may crash or hang, so that the test outlives it and can say which case it was.

Requests and answers are lines of JSON. The child imports the module named and calls one of its functions; what that
raises comes back as the traceback.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

__all__ = ["Isolated"]

MEMORY_MAX_BYTES = 3 << 30
TESTS = Path(__file__).resolve().parent.parent


class Isolated:
    """A context manager; the child is started when first needed, and again after it died."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Isolated:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, function: str, *arguments: Any, limit_s: float) -> Any:
        """What `function` of the module returns.

        Raises:
            AssertionError: If it raised, if the child died, or if no answer came within `limit_s` of wall time.
        """
        child = self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps([function, arguments]).encode() + b"\n")
        child.stdin.flush()
        ready, _, _ = select.select([child.stdout], [], [], limit_s)
        line = child.stdout.readline() if ready else b""
        if not line:
            status = child.wait() if ready else None
            self._end()
            died = f"the child died with status {status}" if ready else f"no answer within {limit_s} s"
            raise AssertionError(f"{function}: {died}")
        answer = json.loads(line)
        assert "error" not in answer, f"{function} raised in the child:\n{answer['error']}"
        return answer["result"]

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            path = os.pathsep.join([str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")])
            self._child = subprocess.Popen(
                # Numbers of a damaged file may overflow, which numpy says and which harms nothing.
                [sys.executable, "-W", "error", "-W", "ignore::RuntimeWarning", str(Path(__file__)), self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            )
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _serve(module: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    functions = importlib.import_module(module)
    answers = os.dup(1)
    os.dup2(2, 1)  # what anything prints must not pass for an answer
    for line in sys.stdin:
        function, arguments = json.loads(line)
        try:
            answer = {"result": getattr(functions, function)(*arguments)}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        os.write(answers, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    _serve(sys.argv[1])
