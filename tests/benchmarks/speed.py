"""How long a first index takes, repository by repository, beside the encoder alone and beside another tool.

    python tests/benchmarks/speed.py ROOT... --work DIR [--semble PYTHON --model DIR]

Each repository is indexed once as a process (`codeseek index`), in WORK/cache, which should be new; "words"
is the same build without vectors; "encoder" is the time that the shipped encoder needs for the same texts, shortest
first, nothing around it, from an even sample of a thousand.
With --semble, PYTHON is an interpreter that has semble installed and DIR a static model that it loads: its speed does
not depend on the values, so random ones do. Prints a table, and keeps it in WORK/speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from codeseek.build import build_index
from codeseek.chunkers.context import encoder_text
from codeseek.encoders import LazyEncoder
from codeseek.train.mining import read_repository

SAMPLE = 1_000

SEMBLE = """
import sys, time
from semble import SembleIndex
from semble.index.dense import load_model
load_model(sys.argv[2])
started = time.perf_counter()
index = SembleIndex.from_path(sys.argv[1], model_path=sys.argv[2])
print(time.perf_counter() - started)
started = time.perf_counter()
for _ in range(20):
    index.search("how are requests retried after a timeout", top_k=10)
print((time.perf_counter() - started) / 20)
"""


def timed(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def measure(root: Path, work: Path, encoder: LazyEncoder, semble: str | None, model: str | None) -> dict:
    # The vectors of the repositories before stay: they have few texts in common.
    environment = os.environ | {"CODESEEK_CACHE_DIR": str(work / "cache")}
    os.environ["CODESEEK_CACHE_DIR"] = str(work / "words")
    shutil.rmtree(work / "words", ignore_errors=True)
    started = time.perf_counter()
    report = build_index(root, encoder, vectors=False)
    found = {"name": root.name, "files": report.files, "chunks": report.chunks}
    found["words_s"] = time.perf_counter() - started
    found["index_s"] = timed([sys.executable, "-m", "codeseek", "index", str(root)], environment)
    chunks = [chunk for entries in read_repository(root).values() for _, chunk in entries]
    texts = sorted({encoder_text(chunk) for chunk in chunks}, key=len)
    sample = texts[:: max(1, len(texts) // SAMPLE)]
    started = time.perf_counter()
    encoder.encode_documents(sample)
    found["encoder_s"] = (time.perf_counter() - started) * len(texts) / max(1, len(sample))
    if semble:
        # Its cache is below the home folder.
        environment["HOME"] = environment["XDG_CACHE_HOME"] = str(work / "home")
        shutil.rmtree(work / "home", ignore_errors=True)
        done = subprocess.run(
            [semble, "-c", SEMBLE, str(root), model], env=environment, check=True, capture_output=True, text=True
        )
        found["semble_s"], found["semble_query_s"] = map(float, done.stdout.split()[-2:])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--semble")
    parser.add_argument("--model")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    encoder = LazyEncoder()
    encoder.encode_queries(["load the model"])
    rows = []
    for root in args.roots:
        rows.append(measure(root.resolve(), args.work.resolve(), encoder, args.semble, args.model))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        (args.work / "speed.json").write_text(json.dumps(rows, indent=1))
    columns = [name for name in rows[0] if name != "name"]
    print(f"| repository | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    means = {name: float(np.mean([row[name] for row in rows])) for name in columns}
    for row in [*rows, {"name": "mean", **means}]:
        print(f"| {row['name']} | {' | '.join(f'{row[name]:.4g}' for name in columns)} |")


if __name__ == "__main__":
    main()
