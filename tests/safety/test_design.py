"""Each line of THREATS in the design notes names tests, and each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
DESIGN = TESTS.parent / "DESIGN.md"
TEST = re.compile(r"([\w/]+\.py)::(test_\w+)")


def threats() -> list[list[str]]:
    """The cells of each line of the table."""
    section = DESIGN.read_text(encoding="utf-8").split("## THREATS", 1)[1]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_every_threat_has_a_defence_and_tests_that_exist() -> None:
    rows = threats()
    assert len(rows) > 30
    for row in rows:
        assert len(row) == 3, row
        threat, defence, tests = row
        assert threat
        assert defence
        named = tests.split(", ")
        for name in named:
            found = TEST.fullmatch(name)
            assert found, f"{threat}: {name} is no test"
            tree = ast.parse((TESTS / found[1]).read_text(encoding="utf-8"))
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert found[2] in functions, f"{threat}: no {name}"


def test_the_notes_stay_short() -> None:
    assert len(DESIGN.read_text(encoding="utf-8").splitlines()) <= 250
