"""How cost grows with the number of chunks, from 10,000 to 1,000,000: build, memory, disk, search, filters.

    python tests/benchmarks/scale.py WORK --sources DIR [DIR…] --chunks 10000 30000 [--memory 4G] [--graph]
    python tests/benchmarks/scale.py WORK --report

For each size, files of the checkouts below the sources are copied to WORK/corpus-N until they make about N chunks. One
process indexes them under the limit of `--memory`, a second asks 200 questions, and `codeseek search --no-rerank` is
run as users run it. What is measured goes to WORK/scale.json, which `--report` prints as a table and draws as
WORK/scale-*.svg.

The encoder is a fake, because a million chunks would take the real one hours: it hashes words into 16,384 random
directions of 384 dimensions, whose energy falls from axis to axis about as that of MiniLM's vectors does, and adds them
up. So the seconds of "encode" are not those of a model, and the answers mean nothing; all other costs are real.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from codeseek.build import build_index
from codeseek.config import parse_size
from codeseek.encoders import LazyEncoder
from codeseek.evaluate.plot import Point, line_chart, write_chart
from codeseek.files import walk
from codeseek.indexes import hnsw
from codeseek.indexes.exact import top_rows
from codeseek.indexes.quantised import widen
from codeseek.memory import DEFAULT_MEMORY_BYTES, limit_memory
from codeseek.paths import index_dir, vectors_path
from codeseek.retrievers.fusion import find_blend
from codeseek.search import Searcher
from codeseek.stores.snapshot import Index, open_index
from codeseek.types import Filters, Kind, SourceFile

DIMENSION = 384
BUCKETS = 16_384
ENERGY_AXES = 65.0  # the energy beyond axis d is exp(-d / 65): 0.86 in the first 128 axes, of MiniLM's vectors 0.845
WORDS_MAX = 128
BYTES_PER_CHUNK = 540  # of source; 519 in 364,013 chunks of 73 repositories, and a little more so as not to fall short
QUESTIONS = 200
RECALL_DEPTH = 50
RECALL_QUERIES = 100
FILTERS = {
    "no filter": Filters(),
    "--lang": Filters(languages=frozenset({"python"})),
    "--glob": Filters(globs=("**/test*/**",)),
    "--kind": Filters(kinds=frozenset({Kind.METHOD})),
    "--lang --glob --kind": Filters(
        languages=frozenset({"python"}), globs=("**/*a*.py",), kinds=frozenset({Kind.FUNCTION})
    ),
}


class HashEncoder:
    """The sum of a random direction a word; a pure function of the text."""

    dimension = DIMENSION

    def __init__(self, name: str) -> None:
        self.name = name
        generator = np.random.default_rng(0)
        turned, _ = np.linalg.qr(generator.standard_normal((DIMENSION, DIMENSION)))
        spread = np.exp(-np.arange(DIMENSION) / (2 * ENERGY_AXES))
        table = generator.standard_normal((BUCKETS, DIMENSION)) * spread @ turned.T
        self._table = table.astype(np.float32)

    def encode_queries(self, queries: Sequence[str]) -> np.ndarray:
        return self.encode_documents(queries)

    def encode_documents(self, documents: Sequence[str]) -> np.ndarray:
        vectors = np.empty((len(documents), DIMENSION), np.float32)
        for row, text in enumerate(documents):
            words = re.findall(r"[a-z0-9]+", text[: 16 * WORDS_MAX].lower())[:WORDS_MAX] or [""]
            vectors[row] = self._table[[zlib.crc32(word.encode()) % BUCKETS for word in words]].sum(axis=0)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument(
        "--sources", type=Path, nargs="+", default=[], help="folders of checkouts, or of folders of them"
    )
    parser.add_argument("--chunks", type=int, nargs="+", default=[])
    parser.add_argument("--memory", type=parse_size, default=DEFAULT_MEMORY_BYTES)
    parser.add_argument("--graph", action="store_true", help="build the graph too, beside the index, and measure it")
    parser.add_argument("--keep", action="store_true", help="keep corpus and index of each size")
    parser.add_argument("--cold-runs", type=int, default=7, help="runs of the command, of each kind")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--step", choices=("build", "search"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    if arguments.step:
        step = build if arguments.step == "build" else search
        sys.stdout.write(json.dumps(step(work, arguments.memory, arguments.graph)))
        return
    for chunks in arguments.chunks:
        run(work, arguments, chunks)
    if arguments.report or arguments.chunks:
        report(work)


def run(work: Path, arguments: argparse.Namespace, chunks: int) -> None:
    """One size, in processes of its own, so that memory is that of one step alone."""
    root = work / f"corpus-{chunks}"
    environment = os.environ | {"CODESEEK_CACHE_DIR": str(work / f"cache-{chunks}")}
    if not root.exists():
        copy_corpus(root, arguments.sources, chunks * BYTES_PER_CHUNK)
    shutil.rmtree(environment["CODESEEK_CACHE_DIR"], ignore_errors=True)
    measured = {"wanted": chunks, "memory_bytes": arguments.memory, "load": os.getloadavg()[0]}
    for step in ("build", "search"):
        command = [sys.executable, __file__, str(root), "--step", step, "--memory", str(arguments.memory)]
        command += ["--graph"] * arguments.graph
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        measured |= json.loads(done.stdout)
    measured["cold"] = run_cold(root, environment, arguments.cold_runs)
    path = work / "scale.json"
    known = json.loads(path.read_text()) if path.exists() else []
    kept = [entry for entry in known if entry["wanted"] != chunks]
    path.write_text(json.dumps(sorted([*kept, measured], key=lambda entry: entry["wanted"]), indent=1))
    if not arguments.keep:
        shutil.rmtree(root)
        shutil.rmtree(environment["CODESEEK_CACHE_DIR"])


def copy_corpus(root: Path, sources: Sequence[Path], size_bytes: int) -> None:
    """Copies whole checkouts in an order of chance, the same for every size, until there is enough; as far as files are
    indexed. What falls short is copied again with other identifiers."""
    checkouts = sorted({path for source in sources for path in source.resolve().iterdir() if path.is_dir()})
    random.Random(0).shuffle(checkouts)
    total, turn = 0, 0
    while checkouts:
        for checkout in checkouts:
            for file in walk(checkout):
                if total >= size_bytes:
                    return
                if not isinstance(file, SourceFile):
                    continue
                target = root / f"{checkout.name}{'' if not turn else f'.{turn}'}" / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                data = file.absolute.read_bytes()
                target.write_bytes(data if not turn else rename(data, turn))
                total += file.size_bytes
        turn += 1
    raise SystemExit("no checkouts: give --sources")


def rename(data: bytes, turn: int) -> bytes:
    """The same code with a letter behind each longer identifier, so that neither text nor vector is as before."""
    return re.sub(rb"\b[A-Za-z_]\w{6,}\b", lambda found: found.group() + b"qxzj"[turn % 4 : turn % 4 + 1], data)


# ---------------------------------------------------------------------------------------------------------------- steps


def encoder() -> HashEncoder:
    """Under the name of the shipped encoder, so that `codeseek search` finds its vectors."""
    return HashEncoder(LazyEncoder().name)


def build(root: Path, memory_bytes: int, _: bool) -> dict:
    started = time.perf_counter()
    cpu = time.process_time()
    with limit_memory(memory_bytes):
        report = build_index(root, encoder())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "files": report.files,
        "chunks": report.chunks,
        "contents": report.encoded,
        "seconds": report.seconds,
        "build_s": time.perf_counter() - started,
        "build_cpu_s": time.process_time() - cpu,
        "peak_bytes": peak,
    }


def search(root: Path, _: int, with_graph: bool) -> dict:
    model = encoder()
    started = time.perf_counter()
    with open_index(root, model.name) as index:
        opened_ms = 1000 * (time.perf_counter() - started)
        searcher = Searcher(index, model, None, find_blend(None))
        source = sum(record.size_bytes for record in index.files().values())
        questions = list(islice(ask(index), QUESTIONS))
        warm = {}
        for name, filters in FILTERS.items():
            times, cpu_times, allowed = [], [], index.allowed(filters)
            for question in questions:
                started, cpu = time.perf_counter(), time.process_time()
                searcher.search(question, filters=filters, rerank=False)
                times.append(1000 * (time.perf_counter() - started))
                cpu_times.append(1000 * (time.process_time() - cpu))
            share = 1.0 if allowed is None else float(np.count_nonzero(allowed) / max(1, len(index)))
            warm[name] = {**percentiles(times[10:]), "cpu_p95": percentiles(cpu_times[10:])["p95"], "share": share}
        vectors = model.encode_queries(questions)
        parts = {"dense": [], "words": []}
        for question, vector in zip(questions, vectors, strict=True):
            started = time.perf_counter()
            index.dense.search(vector, 100)
            between = time.perf_counter()
            index.lexical.search(question.split(), 150)
            parts["dense"].append(1000 * (between - started))
            parts["words"].append(1000 * (time.perf_counter() - between))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        measured = {
            "source_bytes": source,
            "open_ms": opened_ms,
            "warm_ms": warm,
            "parts_ms": {name: percentiles(times[10:]) for name, times in parts.items()},
            "search_peak_bytes": peak,
            "disk_bytes": disk_parts(root, model.name),
        }
        if with_graph:
            measured["graph"] = measure_graph(index, vectors)
    return measured


def ask(index: Index) -> Iterator[str]:
    """Six words each of what the ranker reads of a chunk drawn by chance."""
    draw = random.Random(1)
    numbers = index.numbers
    while True:
        for text in index.documents([int(numbers[draw.randrange(len(numbers))])]):
            words = sorted(set(re.findall(r"[a-z]{3,}", text.lower())))
            if len(words) >= 6:
                yield " ".join(draw.sample(words, 6))


def percentiles(times_ms: Sequence[float]) -> dict[str, float]:
    return {"p50": float(np.percentile(times_ms, 50)), "p95": float(np.percentile(times_ms, 95)), "n": len(times_ms)}


def disk_parts(root: Path, name: str) -> dict[str, int]:
    folder, store = index_dir(root), vectors_path(name)
    parts = {
        "catalogue": [path for path in folder.iterdir() if path.name.startswith("catalogue")],
        "generation": [path for path in folder.rglob("dense/**/*") if path.is_file()],
        "keys of vectors": list(store.parent.glob("*.sqlite*")),
        "vectors": list(store.parent.glob("*.rows")),
    }
    return {part: sum(path.stat().st_size for path in paths) for part, paths in parts.items()}


def measure_graph(index: Index, queries: np.ndarray) -> dict:
    """HNSW over the same rows: what it would cost, and what it would miss."""
    dense = index.dense
    records, rows = dense._records, dense._live
    with TemporaryDirectory(dir=os.environ["CODESEEK_CACHE_DIR"]) as name:
        folder = Path(name)
        started = time.perf_counter()
        hnsw.build_graph(records, rows, folder)
        built_s = time.perf_counter() - started
        size = sum(path.stat().st_size for path in folder.iterdir())
        started = time.perf_counter()
        graph = hnsw.load_graph(folder, len(rows), DIMENSION)
        load_ms = 1000 * (time.perf_counter() - started)
    hits, times = [], []
    for query in queries[:RECALL_QUERIES]:
        exact = top_rows(records, query, RECALL_DEPTH, rows)
        best = set(exact[np.argsort(-(widen(records[exact]) @ query), kind="stable")][:RECALL_DEPTH].tolist())
        started = time.perf_counter()
        found = graph.nearest(query, RECALL_DEPTH)
        times.append(1000 * (time.perf_counter() - started))
        hits.append(0.0 if found is None else len(best & set(found.tolist())) / len(best))
    recall = float(np.mean(hits))
    return {"build_s": built_s, "bytes": size, "load_ms": load_ms, "recall@50": recall, **percentiles(times)}


def run_cold(root: Path, environment: dict[str, str], count: int) -> dict[str, list[float]]:
    """Seconds of whole processes: after the files left the page cache, then with them in it."""
    command = [sys.executable, "-m", "codeseek", "search", "--no-rerank", "--root", str(root), "--format", "jsonl"]
    question = "parse the header of a request"
    cache = Path(environment["CODESEEK_CACHE_DIR"])
    seconds: dict[str, list[float]] = {}
    for name, options in (("no update", ["--no-update"]), ("update", ["--wait"])):
        for kind in ("from disk", "from page cache"):
            runs = []
            for _ in range(count):
                if kind == "from disk":
                    drop_from_page_cache(cache)
                started = time.perf_counter()
                done = subprocess.run(
                    [*command, *options, question], env=environment, stdout=subprocess.PIPE, check=False
                )
                runs.append(time.perf_counter() - started)
                if done.returncode not in (0, 1):
                    raise SystemExit(f"codeseek search failed: {done.returncode}")
            seconds[f"{name}, {kind}"] = runs
    return seconds


def drop_from_page_cache(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


# --------------------------------------------------------------------------------------------------------------- report


def report(work: Path) -> None:
    entries = json.loads((work / "scale.json").read_text())
    rows = [
        [
            "chunks",
            "source MB",
            "build s",
            "of it chunk",
            "peak GiB",
            "disk / source",
            "cold s",
            "warm p50 ms",
            "p95",
            "p95 CPU",
        ]
    ]
    rows[0] += [f"{name} p95" for name in FILTERS if name != "no filter"]
    for entry in entries:
        source, warm = entry["source_bytes"], entry["warm_ms"]
        cells = [
            f"{entry['chunks']:,}",
            f"{source / 1e6:.0f}",
            f"{entry['build_s']:.0f}",
            f"{entry['seconds'].get('chunk', 0):.0f}",
            f"{entry['peak_bytes'] / 2**30:.2f}",
            f"{sum(entry['disk_bytes'].values()) / source:.2f}",
            f"{np.median(entry['cold']['no update, from page cache']):.2f}",
            f"{warm['no filter']['p50']:.0f}",
            f"{warm['no filter']['p95']:.0f}",
            f"{warm['no filter']['cpu_p95']:.0f}",
        ]
        rows.append(cells + [f"{warm[name]['p95']:.0f}" for name in FILTERS if name != "no filter"])
    sys.stdout.write("\n".join(f"| {' | '.join(row)} |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]]) + "\n")
    for entry in entries:
        parts = ", ".join(f"{name} {size / entry['source_bytes']:.2f}" for name, size in entry["disk_bytes"].items())
        sys.stdout.write(f"{entry['chunks']:,} chunks, disk as a multiple of the source: {parts}\n")
        if "graph" in entry:
            sys.stdout.write(f"  graph: {entry['graph']}\n")
    draw(work, entries)


def draw(work: Path, entries: Sequence[dict]) -> None:
    if len(entries) < 2:
        return
    values = {
        "warm p50": lambda entry: entry["warm_ms"]["no filter"]["p50"],
        "warm p95": lambda entry: entry["warm_ms"]["no filter"]["p95"],
        **{f"{name} p95": lambda entry, name=name: entry["warm_ms"][name]["p95"] for name in FILTERS if "-" in name},
    }
    lines = {name: [Point(entry["chunks"], value(entry)) for entry in entries] for name, value in values.items()}
    write_chart(work / "scale-search.svg", line_chart("Search, no reranking", "chunks", "ms", lines, log_x=True))
    stages = sorted({stage for entry in entries for stage in entry["seconds"]})
    lines = {name: [Point(entry["chunks"], entry["seconds"].get(name, 0)) for entry in entries] for name in stages}
    write_chart(work / "scale-build.svg", line_chart("Build, fake encoder", "chunks", "s", lines, log_x=True))
    lines = {
        "disk / source": [
            Point(entry["chunks"], sum(entry["disk_bytes"].values()) / entry["source_bytes"]) for entry in entries
        ],
        "peak memory, GiB": [Point(entry["chunks"], entry["peak_bytes"] / 2**30) for entry in entries],
        "cold start, s": [
            Point(entry["chunks"], float(np.median(entry["cold"]["no update, from page cache"]))) for entry in entries
        ],
    }
    write_chart(work / "scale-space.svg", line_chart("Disk, memory, cold start", "chunks", "", lines, log_x=True))


if __name__ == "__main__":
    main()
