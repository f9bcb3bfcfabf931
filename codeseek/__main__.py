"""`codeseek` and `python -m codeseek`. Nothing is imported before an interrupt can be answered quietly."""

from __future__ import annotations

import sys

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run one command and leave with its exit code: 0 hits, 1 none, 2 error, 130 interrupted."""
    try:
        from codeseek.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
