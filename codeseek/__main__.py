"""`codeseek` and `python -m codeseek`. Nothing is imported before an interrupt can be answered quietly."""

from __future__ import annotations

import os
import sys

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run one command and leave with its exit code: 0 hits, 1 none, 2 error, 130 interrupted."""
    # numpy starts its threads when it is imported, which takes 60 ms (LOG.md), and we multiply nothing large with it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from codeseek.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
