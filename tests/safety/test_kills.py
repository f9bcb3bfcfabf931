"""Kill -9 at every moment of builds: the index opens, is sound, and goes on to the answers of one from scratch.

What is killed are three builds with edits between them, so that segments are merged, generations follow each other and
the oldest is cleaned away. Half of the moments are drawn stage by stage, by the number of a call in it, because most
calls are the encoder's and a draw over all of them would seldom hit the switch; the others by the clock, which also
hits the inside of SQLite, of hnswlib and of the system.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from fakes.hazards import NAME, find_answers, function, other_cache
from fakes.word_encoder import WordEncoder

from codeseek.build import build_index
from codeseek.errors import IndexMissing
from codeseek.verify import verify_index

STAGES = {
    "compare_files": "walk",
    "_Writer.add": "chunk",
    "_Writer.commit": "commit",
    "merge_segments": "merge",
    "_encode_missing": "encode",
    "VectorStore.put_many": "store",
    "write_generation": "generation",
    "_switch_generation": "switch",
    "_remove_old_generations": "clean",
}
ROUNDS = 3

KILLED = """
import json, os, random, signal, sys, time
from collections import Counter
from pathlib import Path
root, caches, stages = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
kills, seed = int(sys.argv[4]), sys.argv[5]
sys.path[:0] = [sys.argv[6]]
import codeseek.fill, codeseek.update
from codeseek.build import build_index
from codeseek.stores import segments
from fakes.word_encoder import WordEncoder
from safety.test_kills import ROUNDS, edit
codeseek.update.COMMIT_CHUNKS, segments.MERGE_RUN = 6, 3
codeseek.fill.ENCODE_BATCH, codeseek.fill.ENCODE_CALL, codeseek.fill.EXACT_MAX_ROWS = 8, 4, 10
codeseek.fill.PENDING_MAX_ROWS = 3
random_ = random.Random(seed)

def work(moment):
    "Calls by stage; killed at the call of that number in that stage."
    counts, stack = Counter(), ["other"]
    def watch(frame, event, argument):
        if event == "call":
            stack.append(stages.get(frame.f_code.co_qualname, stack[-1]))
        counts[stack[-1]] += 1
        if moment == (stack[-1], counts[stack[-1]]):
            os.kill(os.getpid(), signal.SIGKILL)
        if event == "return" and len(stack) > 1:
            stack.pop()
    sys.setprofile(watch)
    for round in range(ROUNDS):
        edit(root, round)
        build_index(root, WordEncoder())
    sys.setprofile(None)
    return counts

def fork(name, moment, seconds):
    "Runs the builds in a child with a cache of its own, and kills it after some seconds where it did not itself."
    os.environ["CODESEEK_CACHE_DIR"] = str(caches / name)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(work(moment)).encode())
        os._exit(0)
    os.close(writing)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    with open(reading) as pipe:
        counts = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), counts

started = time.monotonic()
counts = json.loads(fork("dry", None, None)[1])
elapsed = time.monotonic() - started
hit = []
for number in range(kills):
    turn = number if number < len(counts) else number // 2  # each stage once, then by turns with the clock
    stage = sorted(counts)[turn % len(counts)] if number == turn or number % 2 == 0 else "clock"
    moment = None if stage == "clock" else (stage, random_.randrange(1, counts[stage] + 1))
    seconds = random_.random() * elapsed if stage == "clock" else None
    code, _ = fork(f"{number:03d}", moment, seconds)
    hit.append((stage, code == -signal.SIGKILL))
print(json.dumps({"counts": counts, "hit": hit}))
"""


def edit(root: Path, turn: int) -> None:
    """The files of one of the three builds: a third is new or changed, one is gone."""
    for number in range(9):
        path = root / f"m{number}.py"
        version = turn if number % 3 == turn or turn == 0 else 0
        path.write_text("\n\n".join(function(f"count_{word}_{number}_{version}") for word in ("one", "two", "three")))
    (root / f"m{turn}.py").unlink()


def check_killed(root: Path, folder: Path, kills: int, seed: str) -> None:
    tests = str(Path(__file__).resolve().parents[1])
    arguments = [str(root), str(folder), json.dumps(STAGES), str(kills), seed, tests]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert set(outcome["counts"]) == {*STAGES.values(), "other"}, "a stage has another name now: see STAGES"
    edit(root, ROUNDS - 1)
    with other_cache(folder / "scratch"):
        build_index(root, WordEncoder())
        expected = find_answers(root)
    unfinished: Counter[str] = Counter()
    # A busy machine commits at other moments than the dry run did, so that the last calls of a stage may not come.
    missed = sum(not was_killed for stage, was_killed in outcome["hit"] if stage != "clock")
    assert missed <= kills // 50, outcome["hit"]
    for number, (stage, _) in enumerate(outcome["hit"]):
        with other_cache(folder / f"{number:03d}"):
            try:
                assert verify_index(root, NAME) == []
                unfinished[stage] += find_answers(root) != expected
            except IndexMissing:
                unfinished[stage] += 1  # killed before the catalogue was there
            build_index(root, WordEncoder())
            assert verify_index(root, NAME) == []
            assert find_answers(root) == expected
    assert sum(unfinished.values()) >= kills // 3, "the kills came too late to mean anything"


def test_killed_in_every_stage_and_resumed(root: Path, tmp_path: Path) -> None:
    check_killed(root, tmp_path / "killed", kills=12, seed="7")


@pytest.mark.slow
def test_killed_400_times_and_resumed(root: Path, tmp_path: Path) -> None:
    check_killed(root, tmp_path / "killed", kills=400, seed=str(time.time()))
