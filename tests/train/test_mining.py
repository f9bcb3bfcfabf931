"""Mining: the files that the trainer reads, split by repository, and nothing from an excluded repository."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.word_encoder import WordEncoder

from codeseek.cli.app import run
from codeseek.errors import DataError, FileError, UsageError
from codeseek.evaluate import models
from codeseek.evaluate.stages import Models
from codeseek.retrievers.fusion import Blend
from codeseek.train import written_queries
from codeseek.train.data import load_training_set
from codeseek.train.exclusions import check_allowed, load_exclusions, pack_exclusions, read_repository_name
from codeseek.train.mining import MiningOptions, mine_repositories, read_repository
from codeseek.train.rankings import load_ranking
from codeseek.train.written_queries import ComponentQuery, load_component_queries, load_questions, match_questions

LIST = Path("/work/shared/bench/excluded_repos.txt")
VERBS = "collect combine filter measure order print reduce shift store split".split()
THINGS = "apples buckets cables doors engines flowers gears hammers islands jackets".split()


def write_repository(root: Path, seed: int, functions: int = 12) -> Path:
    """Functions with documentation that none of the others has."""
    (root / "src").mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(functions):
        verb, thing = VERBS[number % 10], THINGS[(number + seed) % 10]
        lines = [
            f"    {thing}_{row} = {verb}({random.integers(1000)}, {THINGS[random.integers(10)]})" for row in range(6)
        ]
        text = (
            f'def {verb}_{thing}_{number}(values):\n    """Will {verb} all the {thing} of batch {seed} {number}."""\n'
        )
        (root / "src" / f"{verb}_{number}.py").write_text(text + "\n".join(lines) + f"\n    return {thing}_1\n")
    return root


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    return [write_repository(tmp_path / f"someone+project{number}", number) for number in range(6)]


def mine(roots: list[Path], out: Path, **options: Any) -> Any:
    return mine_repositories(roots, out, WordEncoder(), MiningOptions(**options), load_exclusions())


def test_the_splits_hold_whole_repositories_and_the_trainer_reads_them(roots: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = mine(roots, out, dev_share=0.5)
    homes = {}
    for split in ("train", "dev"):
        pairs, documents, rankings = (read(out / split / f"{name}.jsonl") for name in ("pairs", "documents", "ranking"))
        assert len(pairs) == len(rankings) == report.pairs[split] > 0
        homes[split] = {pair["repository"] for pair in pairs}
        texts = {document["document_id"]: document["text"] for document in documents}
        for pair, ranking in zip(pairs, rankings, strict=True):
            assert ranking["query_id"] == pair["query_id"]
            assert texts[pair["document_id"]] == pair["document"]
            assert pair["query"].lower() not in pair["document"].lower()
            assert ranking["scores"] == sorted(ranking["scores"], reverse=True)
            assert all(name.startswith(pair["repository"] + ":") for name in ranking["documents"])
        loaded = load_training_set(
            out / split / "pairs.jsonl",
            out / split / "documents.jsonl",
            lambda batch, limit: [[len(text) % 7] * min(3, limit) for text in batch],
            tokenizer_name="fake",
            vocabulary_size=10,
            query_max_tokens=8,
            document_max_tokens=8,
            cache_dir=tmp_path / "cache",
        )
        ranked = load_ranking(out / split / "ranking.jsonl", loaded, 20)
        assert (ranked.documents >= 0).any(axis=1).all()
        assert not np.isnan(ranked.positive_scores).all()
    assert not homes["train"] & homes["dev"]
    assert len(homes["train"] | homes["dev"]) == 6


def test_some_documentation_stays_so_that_its_lack_tells_nothing(roots: list[Path], tmp_path: Path) -> None:
    mine(roots[:1], tmp_path / "out", dev_share=0.0, bare_share=0.5)
    documents = read(tmp_path / "out/train/documents.jsonl")
    targets = {pair["document_id"] for pair in read(tmp_path / "out/train/pairs.jsonl")}
    kept = {document["document_id"] for document in documents if "Will " in document["text"]}
    assert kept
    assert targets
    assert not kept & targets


def test_a_rerun_writes_the_same(roots: list[Path], tmp_path: Path) -> None:
    mine(roots[:2], tmp_path / "a", dev_share=0.0)
    mine(list(reversed(roots[:2])), tmp_path / "b", dev_share=0.0)
    for name in ("pairs", "documents", "ranking"):
        assert (tmp_path / f"a/train/{name}.jsonl").read_bytes() == (tmp_path / f"b/train/{name}.jsonl").read_bytes()


def test_a_copy_in_another_repository_gives_no_second_pair(tmp_path: Path) -> None:
    first = write_repository(tmp_path / "someone+first", 1)
    copy = write_repository(tmp_path / "someone+second", 1)
    alone = mine([first], tmp_path / "a", dev_share=0.0).pairs["train"]
    both = mine([first, copy], tmp_path / "b", dev_share=0.0)
    assert both.pairs["train"] == alone > 0
    assert both.rejected["near-duplicate of another pair's code"] == alone


def test_pairs_and_chunks_can_be_bounded(roots: list[Path], tmp_path: Path) -> None:
    report = mine(roots[:2], tmp_path / "a", dev_share=0.0, max_pairs=4)
    assert report.pairs["train"] == 8
    report = mine(roots[:1], tmp_path / "b", dev_share=0.0, max_chunks=3)
    (facts,) = report.repositories.values()
    assert facts["chunks"] == 3


def write_questions(path: Path, *lines: tuple[str, ...]) -> Path:
    path.write_text("".join("\t".join(line) + "\n" for line in lines))
    return path


def test_written_questions_become_pairs_beside_what_is_mined(roots: list[Path], tmp_path: Path) -> None:
    name = sorted(path.name for path in (roots[0] / "src").iterdir())[-1]
    function = re.search(r"def (\w+)", (roots[0] / "src" / name).read_text())[1]
    home = "Someone+project0"
    file = write_questions(
        tmp_path / "questions.tsv",
        (home, f"src/{name}", "1-9", function, "intent", "what puts things where they belong"),
        (home, f"src/{name}", "1-9", function, "symbol", f"{function}()"),
        (home, f"src/{name}", "1-9", function, "file", "where things are put"),
        (home, "src/none.py", "1-9", "none", "intent", "what is not there"),
        ("someone+elsewhere", f"src/{name}", "1-9", function, "intent", "what another repository does"),
    )
    report = mine_repositories(
        roots[:1],
        tmp_path / "out",
        WordEncoder(),
        MiningOptions(dev_share=0.0, max_pairs=2, max_chunks=1),
        load_exclusions(),
        questions=load_questions([file]),
    )
    pairs = read(tmp_path / "out/train/pairs.jsonl")
    assert [(pair["kind"], pair["query"]) for pair in pairs[:3]] == [
        ("question", "what puts things where they belong"),
        ("symbol", f"{function}()"),
        ("question", "where things are put"),
    ]
    assert all(f"def {function}(" in pair["document"] for pair in pairs[:3])
    assert len(pairs) == 3 + 2
    assert report.rejected["no code at a question's lines"] == 1


def test_a_pair_names_what_else_answers(roots: list[Path], tmp_path: Path) -> None:
    first, second = sorted(f"src/{path.name}" for path in (roots[0] / "src").iterdir())[:2]
    line = ("Someone+project0", "src", "semantic", f"{first}|{second}", "where things are put")
    file = write_questions(tmp_path / "components.tsv", line)
    options = MiningOptions(dev_share=0.0, max_pairs=2)
    questions = load_questions([file])
    mine_repositories(roots[:1], tmp_path / "out", WordEncoder(), options, load_exclusions(), questions=questions)
    pair, *others = read(tmp_path / "out/train/pairs.jsonl")
    answers = [pair["document_id"], *pair["also"]]
    assert {name.split(":")[1] for name in answers} == {first, second}
    assert len(set(answers)) == len(answers)
    assert all(other["also"] == [] for other in others)


def test_a_question_takes_the_definition_that_its_lines_are_about(tmp_path: Path) -> None:
    root = tmp_path / "someone+shapes"
    root.mkdir()
    body = "".join(f"        self.side_{row} = {row} * scale + offset\n" for row in range(8))
    (root / "shapes.py").write_text(
        f"import math\n\nclass Square:\n    def resize(self, scale, offset):\n{body}"
        f"\n    def rotate(self, scale, offset):\n{body.replace('side', 'angle')}"
    )
    file = write_questions(
        tmp_path / "questions.tsv",
        (root.name, "shapes.py", "4-12", "Square.resize", "intent", "make it bigger"),
        (root.name, "shapes.py", "14-22", "rotate", "intent", "turn it"),
    )
    files = read_repository(root)
    found = match_questions(load_questions([file])[root.name], files, Counter())
    chunks = dict(entry for entries in files.values() for entry in entries)
    assert [[chunks[name].name for name in query.targets] for query in found] == [["resize"], ["rotate"]]


def test_a_query_for_a_component_takes_every_chunk_of_its_files(tmp_path: Path) -> None:
    root = tmp_path / "someone+shapes"
    (root / "src").mkdir(parents=True)
    for name in ("square", "circle", "line"):
        (root / "src" / f"{name}.py").write_text(f"SIDE = 1\n\n\ndef turn_{name}():\n    return {name!r}\n")
    file = write_questions(
        tmp_path / "components.tsv",
        (root.name, "src", "architecture", "src/square.py|src/circle.py", "how shapes with an inside are turned"),
        (root.name, "src", "symbol", "src/line.py", "turn_line"),
    )
    assert load_component_queries([file])[root.name, "src"] == [
        ComponentQuery("architecture", ("square.py", "circle.py"), "how shapes with an inside are turned"),
        ComponentQuery("symbol", ("line.py",), "turn_line"),
    ]
    files = read_repository(root)
    found = list(match_questions(load_questions([file])[root.name], files, Counter()))
    assert [{target.split(":")[0] for target in query.targets} for query in found] == [
        {"src/square.py", "src/circle.py"},
        {"src/line.py"},
    ]
    assert found[0].targets[0].endswith("square.py:4-5")


def test_the_questions_in_the_tree_are_of_repositories_that_may_be_learned_from() -> None:
    folder = Path(written_queries.__file__).parent / "questions"
    commits = dict(line.split("\t")[:2] for line in (folder / "repositories.tsv").read_text().splitlines())
    components = load_component_queries([folder / "components.tsv"])
    asked = load_questions([folder / "questions.tsv", folder / "components.tsv"])
    assert asked.keys() | {repository for repository, _ in components} <= commits.keys()
    assert len({repository for repository, _ in components}) == len(components) == 238
    assert not [name for name in asked if load_exclusions().holds(name.replace("+", "/", 1))]


def test_a_component_outside_its_source_folder_is_named(tmp_path: Path) -> None:
    file = write_questions(tmp_path / "c.tsv", ("a+b", "src", "semantic", "lib/x.py", "what is elsewhere"))
    with pytest.raises(DataError, match=r"c\.tsv:1: .*not in the subpath"):
        load_component_queries([file])
    file = write_questions(tmp_path / "d.tsv", ("a+b", "src", "src/x.py", "what has no category"))
    with pytest.raises(DataError, match=r"d\.tsv:1 is not repository, source folder"):
        load_component_queries([file])


def test_a_question_that_does_not_fit_the_format_is_named(tmp_path: Path) -> None:
    file = write_questions(
        tmp_path / "q.tsv", ("a+b", "x.py", "1-2", "f", "how", "why"), ("a+b", "x.py", "7", "f", "", "")
    )
    with pytest.raises(DataError, match=r"q\.tsv:2 is not repository, path"):
        load_questions([file])
    with pytest.raises(FileError, match="cannot read"):
        load_questions([tmp_path / "none.tsv"])


def test_nothing_to_mine_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "someone+empty").mkdir()
    with pytest.raises(DataError, match="nothing was mined"):
        mine([tmp_path / "someone+empty"], tmp_path / "out")


# ----------------------------------------------------------------------------------------------------------- exclusions


def repository(folder: Path, *, remote: str = "", **files: str) -> Path:
    folder.mkdir(parents=True)
    if remote:
        (folder / ".git").mkdir()
        (folder / ".git" / "config").write_text(f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {remote}\n')
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


@pytest.mark.parametrize(
    "make",
    [
        lambda tmp: repository(tmp / "pallets+flask"),
        lambda tmp: repository(tmp / "anything", remote="https://github.com/pallets/flask.git"),
        lambda tmp: repository(tmp / "anything", remote="git@github.com:Pallets/Flask"),
        lambda tmp: repository(tmp / "my+flask", package_json='{"repository": "https://github.com/pallets/flask"}'),
        lambda tmp: repository(tmp / "mine", go_mod="module github.com/spf13/cobra\n\ngo 1.21\n"),
        lambda tmp: repository(tmp / "flask"),
    ],
    ids=["folder", "https", "ssh", "manifest of a fork", "go module", "name without owner"],
)
def test_excluded_repositories_are_recognised(make: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="excluded"):
        check_allowed(make(tmp_path), load_exclusions())


def test_a_worktree_has_the_name_of_its_repository(tmp_path: Path) -> None:
    main = repository(tmp_path / "main", remote="https://github.com/pallets/flask")
    (main / ".git" / "worktrees" / "w").mkdir(parents=True)
    (main / ".git" / "worktrees" / "w" / "commondir").write_text("../..\n")
    tree = repository(tmp_path / "w")
    (tree / ".git").write_text(f"gitdir: {main}/.git/worktrees/w\n")
    assert read_repository_name(tree).full == "pallets/flask"


def test_other_repositories_are_allowed(tmp_path: Path) -> None:
    exclusions = load_exclusions()
    assert check_allowed(repository(tmp_path / "a", remote="https://github.com/me/tool"), exclusions).full == "me/tool"
    depends = 'dependencies = ["flask @ git+https://github.com/pallets/flask"]\n'
    assert check_allowed(repository(tmp_path / "me+app", pyproject_toml=depends), exclusions).full == "me/app"
    assert check_allowed(repository(tmp_path / "my-own-tool"), exclusions).full == "my-own-tool"


def test_a_file_adds_to_the_list_and_takes_nothing_away(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("# ours\nme/tool\n")
    exclusions = load_exclusions(tmp_path / "more.txt")
    for name in ("me+tool", "pallets+flask"):
        with pytest.raises(UsageError, match="excluded"):
            check_allowed(repository(tmp_path / name), exclusions)
    (tmp_path / "bad.txt").write_text("me/tool\nnonsense\n")
    with pytest.raises(DataError, match=r"bad\.txt:2 holds 'nonsense'"):
        load_exclusions(tmp_path / "bad.txt")


@pytest.mark.skipif(not LIST.exists(), reason="the list of excluded repositories is not on this machine")
def test_the_package_enforces_the_whole_list() -> None:
    names = [line.strip() for line in LIST.read_text().splitlines() if line.strip() and not line.startswith("#")]
    exclusions = load_exclusions()
    assert [name for name in names if not exclusions.holds(name)] == []
    shipped = Path(load_exclusions.__code__.co_filename).with_name("excluded_repositories.bin")
    assert shipped.read_bytes() == pack_exclusions(names)


# -------------------------------------------------------------------------------------------------------------- command


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.setattr(models, "load_models", lambda *_, **__: Models(WordEncoder(), None, Blend()))

    def call(*arguments: str) -> tuple[int, str]:
        code = run(["mine", *arguments])
        return code, capsys.readouterr().err

    return call


def test_the_command_mines_and_reports(
    command: Callable[..., tuple[int, str]], roots: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    name = sorted(path.name for path in (roots[0] / "src").iterdir())[0]
    file = write_questions(tmp_path / "q.tsv", (roots[0].name, f"src/{name}", "1-9", "f", "how", "what is done here"))
    options = ["--dev-share", "0", "--kinds", "documentation", "--questions", str(file)]
    code, err = command(*map(str, roots[:2]), "--out", str(out), *options)
    assert code == 0
    assert "1 question" in err
    assert f"training and 0 development pairs in {out}" in err
    record = json.loads((out / "report.json").read_text())
    assert sum(record["pairs"].values()) == len(read(out / "train/pairs.jsonl"))
    assert not (out / "dev/pairs.jsonl").exists()


def test_the_command_refuses_an_excluded_repository_and_writes_nothing(
    command: Callable[..., tuple[int, str]], roots: list[Path], tmp_path: Path
) -> None:
    excluded = write_repository(tmp_path / "pallets+flask", 9)
    code, err = command(str(roots[0]), str(excluded), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "is pallets/flask or a copy of it, which is excluded from training" in err
    assert not (tmp_path / "out").exists()


def test_the_command_names_wrong_arguments(command: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    assert "did you mean commit?" in command(str(tmp_path), "--out", "x", "--kinds", "comit")[1]
    assert "named twice" in command(str(tmp_path), str(tmp_path), "--out", "x")[1]
    assert "no such folder" in command(str(tmp_path / "none"), "--out", "x")[1]
