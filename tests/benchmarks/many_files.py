"""How long the walk of very many small files takes, and how much memory their comparison with an empty catalogue.

    python tests/benchmarks/many_files.py --files 1000000 --folder /tmp/many

Makes the files, 1,000 a folder, where they are missing; removing them is left to the caller.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

from codeseek.files import MAX_FILE_BYTES, walk
from codeseek.update import compare_files

FILES_A_FOLDER = 1_000


def make_files(folder: Path, count: int) -> None:
    for at in range(0, count, FILES_A_FOLDER):
        inner = folder / f"d{at // FILES_A_FOLDER:05d}"
        if inner.exists():
            continue
        inner.mkdir(parents=True)
        for number in range(at, min(at + FILES_A_FOLDER, count)):
            with open(inner / f"f{number}.py", "w") as file:
                file.write(f"x = {number}\n")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    make_files(folder, arguments.files)
    for name in ("walk", "compare"):
        before, started, wall = peak_mib(), time.process_time(), time.perf_counter()
        if name == "walk":
            found = sum(1 for _ in walk(folder))
        else:
            found = len(compare_files(folder, {}, {}, max_file_bytes=MAX_FILE_BYTES)[0])
        seconds, elapsed = time.process_time() - started, time.perf_counter() - wall
        sys.stdout.write(
            f"{name}: {found:,} files, {seconds:.2f} s of CPU, {elapsed:.2f} s, peak {peak_mib():.0f} MiB "
            f"(+{peak_mib() - before:.0f}), {1e6 * seconds / max(found, 1):.1f} µs a file\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
