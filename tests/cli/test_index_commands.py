"""`index`, `status`, `clean`, `languages` and `doctor` over real indexes, with an encoder worked out by hand."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from fakes.encoder import LetterEncoder, fake_module

from codeseek.encoders import folder, hub  # now, as a module without submodules stands for it later
from codeseek.errors import ModelError
from codeseek.languages import load_languages

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "codeseek.encoders", fake_module())


def test_index_says_what_it_did(codeseek: Run, repository: Path) -> None:
    (repository / "photo.png").write_bytes(b"\x89PNG\0\0")
    code, out, err = codeseek("index", str(repository))
    assert (code, out) == (0, "")
    assert err.startswith(f"codeseek: indexing {repository}\ncodeseek: 2 files, ")
    assert "2 files updated, 0 removed" in err
    assert "skipped: 1 binary (list them: --verbose)" in err
    _, _, err = codeseek("index", "--verbose")
    assert "0 files updated, 0 removed, 0 texts encoded" in err
    assert "codeseek: skipped photo.png  binary" in err
    assert "codeseek: seconds: " in err


def test_index_finds_the_repository_around_a_folder(
    codeseek: Run, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "src")
    assert f"indexing {repository}\n" in codeseek("index")[2]


def test_index_skips_files_above_the_limit(codeseek: Run, repository: Path) -> None:
    (repository / "big.py").write_text("x = 1\n" * 1_000)
    _, _, err = codeseek("index", "-v", "--max-file-size", "1k")
    assert "codeseek: skipped big.py  too large" in err
    assert "big.py  too large" in codeseek("index", "-v")[2]  # remembered
    code, _, err = codeseek("index", "--max-file-size", "lots")
    assert code == 2
    assert (
        err == "codeseek: --max-file-size is 'lots', wanted a size\n  hint: write bytes, or a size such as 500k or 2M\n"
    )


@pytest.mark.parametrize(
    ("root", "message"), [("nowhere", "no such folder: nowhere"), ("main.go", "not a folder: main.go")]
)
def test_index_wants_a_folder(root: str, message: str, codeseek: Run, repository: Path) -> None:
    code, _, err = codeseek("index", root)
    assert code == 2
    assert err.startswith(f"codeseek: {message}\n  hint: ")


def test_memory_is_limited_while_it_builds(codeseek: Run, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = codeseek("index", "--memory", "1M")
    assert code == 2
    assert err.startswith("codeseek: a build needs more memory than 1,048,576 bytes\n  hint: ")
    seen = []
    monkeypatch.setattr("codeseek.cli.index.limit_memory", lambda size: seen.append(size) or nullcontext())
    assert codeseek("index", "--memory", "1G")[0] == 0
    assert seen == [1 << 30]


def test_a_cache_that_cannot_be_written_is_one_line(codeseek: Run, repository: Path) -> None:
    Path(os.environ["CODESEEK_CACHE_DIR"]).write_text("in the way")
    code, _, err = codeseek("index")
    assert code == 2
    assert err.splitlines()[-2].startswith("codeseek: cannot create the folder ")
    assert err.splitlines()[-1].startswith("  hint: ")


def test_status_shows_what_the_index_holds(codeseek: Run, repository: Path) -> None:
    code, out, err = codeseek("status")
    assert (code, out) == (2, "")
    assert "hint: " in err
    codeseek("index")
    code, out, _ = codeseek("status")
    rows = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert code == 0
    assert rows["root"] == str(repository)
    assert rows["files"] == "2"
    assert rows["languages"] == "go 1, python 1"
    assert rows["encoder"] == "letters"
    code, out, _ = codeseek("status", "--format", "json")
    record = json.loads(out)
    assert record["languages"] == {"go": 1, "python": 1}
    assert record["vectors"] == record["chunks"]


def test_status_says_how_fresh_the_index_is(codeseek: Run, repository: Path) -> None:
    codeseek("index")
    assert "freshness  up to date\n" in codeseek("status")[1]
    (repository / "main.go").write_text("package main\n\nvar X = 1\n")
    (repository / "b.py").write_text("def b():\n    return 2\n")
    (repository / "src" / "a.py").unlink()
    assert "freshness  1 changed, 1 new, 1 removed since then; the next search updates them\n" in codeseek("status")[1]
    record = json.loads(codeseek("status", "--format", "json")[1])
    assert record["changes"] == {"changed": 1, "new": 1, "removed": 1}


def test_status_says_what_was_never_finished(codeseek: Run, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codeseek("index")
    monkeypatch.setattr(LetterEncoder, "name", "others")
    assert "freshness  incomplete: 2 chunks have no vector yet\n" in codeseek("status")[1]
    empty = repository.parent / "empty"
    empty.mkdir()
    codeseek("index", str(empty))
    assert "1970" not in codeseek("status", str(empty))[1]


def test_an_interrupted_build_says_that_it_can_go_on(
    codeseek: Run, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(root: Path, model: object, *, progress: Callable[[str, int, int], None], **options: object) -> None:
        progress("encode", 0, 1)
        raise KeyboardInterrupt

    monkeypatch.setattr("codeseek.build.build_index", build)
    code, _, err = codeseek("index")
    assert code == 130
    assert err.endswith("codeseek: interrupted; the next command continues from here\n")


def test_status_check_verifies_and_finds_damage(codeseek: Run, repository: Path) -> None:
    codeseek("index")
    assert codeseek("status", "--check")[::2] == (0, "codeseek: the index is sound\n")
    for file in Path(os.environ["CODESEEK_CACHE_DIR"]).glob("indexes/*/catalogue.sqlite*"):
        data = file.read_bytes()
        file.write_bytes(data[:4096] + bytes(len(data[4096:])))
    code, out, err = codeseek("status", "--check")
    assert (code, out) == (2, "")
    assert err.endswith(f"  hint: codeseek index --rebuild {repository}\n")


def test_clean_asks_and_says_how_much(codeseek: Run, repository: Path) -> None:
    code, _, err = codeseek("clean")
    assert code == 2
    assert "has no index" in err
    codeseek("index")
    code, out, _ = codeseek("clean", "--list")
    assert (code, out.splitlines()[0].split(maxsplit=2)[2]) == (0, str(repository))
    code, _, err = codeseek("clean")
    assert code == 2
    assert f"delete the index of {repository}: " in err
    assert "hint: agree beforehand: --yes" in err
    assert codeseek("status")[0] == 0
    code, _, err = codeseek("clean", "--yes")
    assert code == 0
    assert err.startswith(f"codeseek: deleted the index of {repository}, ")
    assert str(repository) not in codeseek("clean", "--list")[1]


def test_clean_all_deletes_nothing_that_is_not_ours(codeseek: Run, repository: Path) -> None:
    codeseek("index")
    cache = Path(os.environ["CODESEEK_CACHE_DIR"])
    (cache / "vectors" / "mine.txt").write_text("kept")
    code, _, err = codeseek("clean", "--all", "-y")
    assert code == 0
    assert err.startswith("codeseek: deleted 1 index and all vectors, ")
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["mine.txt"]


def test_clean_orphans_keeps_what_has_its_folder(codeseek: Run, repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(repository, other)
    codeseek("index")
    codeseek("index", str(other))
    shutil.rmtree(other)
    code, _, err = codeseek("clean", "--orphans", "--yes")
    assert code == 0
    assert "deleted 1 index of folders that are gone" in err
    assert codeseek("status")[0] == 0
    assert codeseek("clean", "--orphans")[2] == "codeseek: there is nothing to delete\n"


def test_clean_takes_one_thing_at_a_time(codeseek: Run, repository: Path) -> None:
    code, _, err = codeseek("clean", "--all", "--list")
    assert code == 2
    assert err.startswith("codeseek: ROOT, --all, --orphans and --list exclude each other\n")


def test_languages_lists_each_grammar(codeseek: Run) -> None:
    code, out, _ = codeseek("languages")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == sorted(load_languages())
    records = json.loads(codeseek("languages", "--format", "json")[1])["languages"]
    assert ".py" in next(entry for entry in records if entry["name"] == "python")["extensions"]


def test_doctor_reports_each_part_and_the_remedy(codeseek: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _, out, _ = codeseek("doctor", "--format", "json", "--device", "cpu")
    checks = {entry["name"]: entry for entry in json.loads(out)["checks"]}
    assert list(checks) == ["codeseek", "configuration", "cache", "packages", "grammars", "device", "encoder", "ranker"]
    for name in ("configuration", "cache", "packages", "grammars", "encoder"):
        assert checks[name]["works"], checks[name]
    Path(os.environ["CODESEEK_CONFIG"]).write_text("limt = 3\n")
    code, out, _ = codeseek("doctor")
    assert code == 2
    assert "FAIL  configuration" in out
    assert "      hint: did you mean limit?\n" in out


def test_doctor_looks_for_the_ranker(codeseek: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "default_folder", lambda: tmp_path)
    assert "ok    ranker          none: the first stage's order is kept\n" in codeseek("doctor", "--device", "cpu")[1]
    Path(os.environ["CODESEEK_CONFIG"]).write_text('ranker = "/nowhere/ranker"\n')
    code, out, _ = codeseek("doctor", "--device", "cpu")
    assert code == 2
    with pytest.raises(ModelError) as raised:
        hub.find_model("/nowhere/ranker")
    assert f"FAIL  ranker          {raised.value}\n      hint: {raised.value.hint}\n" in out
