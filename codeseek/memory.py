"""How much memory a build may take: what is planned with, and the limit that the system holds the process to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from codeseek.errors import DeviceError, UsageError

__all__ = ["DEFAULT_MEMORY_BYTES", "MIN_MEMORY_BYTES", "limit_memory", "peak_memory_bytes"]

DEFAULT_MEMORY_BYTES = 4 << 30
MIN_MEMORY_BYTES = 512 << 20  # the interpreter, the models, and a segment of 65,536 chunks while it is merged


def peak_memory_bytes() -> int:
    """The most memory that the process ever held at a time."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def limit_memory(memory_bytes: int) -> Iterator[None]:
    """Lets the process take no more than `memory_bytes` of memory of its own; mapped files are not counted.

    Linux counts so (`RLIMIT_DATA`, since 4.7). Elsewhere nothing is enforced, and the plan alone bounds memory. Work
    that was committed before the limit was met is kept.

    Raises:
        UsageError: If that is too little to do anything.
        DeviceError: If what is inside needs more.
    """
    if memory_bytes < MIN_MEMORY_BYTES:
        raise UsageError(
            f"a build needs more memory than {memory_bytes:,} bytes", hint=f"give it at least {MIN_MEMORY_BYTES >> 20}M"
        )
    if sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    hard = before[1]
    limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    except MemoryError as error:
        raise DeviceError(
            f"the build needs more memory than the {memory_bytes >> 20:,} MiB that it may take",
            hint=f"what was done is kept; go on with more: --memory {memory_bytes >> 29}G",
        ) from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
