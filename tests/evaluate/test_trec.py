"""Runs and qrels on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeseek.errors import DataError, FileError
from codeseek.evaluate.trec import read_qrels, read_run, safe_id, write_qrels, write_run


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    run = {"q 1": ["b", "a", "c"], "q2": ["c"]}
    qrels = {"q 1": {"a": 1.0, "b": 0.0}, "q2": {"c": 2.5}}
    write_run(tmp_path / "run", run, "codeseek-dense")
    write_qrels(tmp_path / "qrels", qrels)
    assert read_run(tmp_path / "run") == {"q%201": ["b", "a", "c"], "q2": ["c"]}
    assert read_qrels(tmp_path / "qrels") == {"q%201": {"a": 1.0, "b": 0.0}, "q2": {"c": 3.0}}
    assert (tmp_path / "run").read_text().splitlines()[1] == "q%201 Q0 a 2 0.500000000 codeseek-dense"


def test_the_trec_tools_read_our_files(tmp_path: Path) -> None:
    tools = pytest.importorskip("ir_measures", reason="development dependency ir-measures is not installed")
    write_run(tmp_path / "run", {"1": [f"d{number}" for number in range(1000)]}, "t")
    write_qrels(tmp_path / "qrels", {"1": {"d999": 1.0}})
    found = tools.calc_aggregate(
        [tools.RR],
        list(tools.read_trec_qrels(str(tmp_path / "qrels"))),
        list(tools.read_trec_run(str(tmp_path / "run"))),
    )
    assert found[tools.RR] == pytest.approx(1 / 1000), "distinct scores down to the last rank"


def test_safe_ids_stay_distinct() -> None:
    assert len({safe_id(name) for name in ("a b", "a%20b", "a\tb", "ab")}) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 Q0 a 1 0.5\n", r"run:1 has 5 fields, wanted 6"), ("1 Q0 a 1 high t\n", r"run:1 field 'score' holds 'high'")],
)
def test_a_malformed_run_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run").write_text(text)
    with pytest.raises(DataError, match=message):
        read_run(tmp_path / "run")


def test_malformed_qrels_are_named(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("1 0 a 1\n\n1 0 a 2\n")
    with pytest.raises(DataError, match=r"qrels:3 field 'document' judges a of query 1 a second time"):
        read_qrels(tmp_path / "qrels")
    with pytest.raises(FileError, match="cannot read"):
        read_qrels(tmp_path / "none")
