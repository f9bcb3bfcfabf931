"""Each format, character by character: golden files for the ordinary case, and what hostile names turn into."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.config import OUTPUT_FORMATS
from codeseek.printers import QueryOutcome, Style, Summary, open_printer
from codeseek.printers.escapes import escape_code, escape_name
from codeseek.printers.excerpts import excerpt, headline
from codeseek.types import Answer, Freshness, Hit, Kind, Span

HUMAN_FORMATS = ("terminal", "plain", "vimgrep", "paths")

PYTHON = '''\
@cached
def is_ignored(path: str, rules: Rules) -> bool:
    """Whether the last rule that matches hides the path."""
    for rule in reversed(rules):
        if rule.matches(path):
            return not rule.negated
    return False
'''
RUST = "/// Walks the tree.\npub fn walk(\n\troot: &Path,\n) -> Walk {\n\tWalk::new(root)\n}"


def make_hit(**changes: object) -> Hit:
    fields: dict[str, object] = {
        "rank": 1,
        "path": "src/ignore.py",
        "span": Span(11, 17),
        "language": "python",
        "kind": Kind.FUNCTION,
        "name": "is_ignored",
        "score": 0.91234567,
        "found_by": ("lexical", "dense"),
        "stages": {"lexical": 12.5, "dense": 0.61},
        "text": PYTHON,
    }
    return Hit(**{**fields, **changes})  # type: ignore[arg-type]


WALK = make_hit(
    rank=2,
    path="crates/walk.rs",
    span=Span(1, 6),
    language="rust",
    kind=Kind.METHOD,
    name="Walker.walk",
    score=0.4,
    found_by=("dense",),
    stages={"dense": 0.5},
    text=RUST,
)


def make_answer(*hits: Hit, query_id: str = "1") -> Answer:
    return Answer(query_id, "how are failed requests retried", hits, {"lexical": 1.25, "dense": 2.5}, 40)


def make_summary(*answers: Answer) -> Summary:
    return Summary(
        Path("/repo"), Freshness(7, 40, 1, 0, 20), False, tuple(QueryOutcome.of(answer) for answer in answers), 0.125
    )


def render(name: str, *answers: Answer, style: Style | None = None) -> str:
    out = io.StringIO()
    printer = open_printer(name, out, style or Style(width=80))
    for answer in answers:
        printer.print_answer(answer)
    printer.print_summary(make_summary(*answers))
    return out.getvalue()


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_format_is_golden(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"{name}.txt", render(name, make_answer(make_hit(), WALK)))


@pytest.mark.parametrize("name", ["terminal", "plain"])
def test_explained_format_is_golden(name: str, golden: Callable[[str, str], None]) -> None:
    style = Style(explain=True, context=2, width=60)
    golden(f"{name}_explained.txt", render(name, make_answer(make_hit(), WALK), style=style))


def test_jsonl_has_the_fields_of_the_design_in_order() -> None:
    hit, summary = map(json.loads, render("jsonl", make_answer(make_hit())).splitlines())
    wanted = "type query_id rank path start_line end_line language kind name score found_by stages text"
    assert list(hit) == wanted.split()
    assert (hit["start_line"], hit["end_line"], hit["rank"]) == (11, 17, 1)
    assert hit["text"] == PYTHON
    assert summary["type"] == "summary"
    assert summary["schema"] == 1
    assert summary["coverage"] == 0.5
    assert summary["timings_ms"] == {"lexical": 1.25, "dense": 2.5}
    assert summary["freshness"]["updated_files"] == 1


def test_jsonl_of_a_batch_sums_the_queries() -> None:
    lines = render("jsonl", make_answer(make_hit(), query_id="a"), make_answer(query_id="b")).splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["hit", "summary"]
    summary = json.loads(lines[-1])
    assert summary["timings_ms"] == {"lexical": 2.5, "dense": 5.0}
    assert [(query["query_id"], query["hits"]) for query in summary["queries"]] == [("a", 1), ("b", 0)]


def test_json_is_one_document_with_the_same_records() -> None:
    document = json.loads(render("json", make_answer(make_hit(), WALK)))
    lines = [json.loads(line) for line in render("jsonl", make_answer(make_hit(), WALK)).splitlines()]
    assert [*document["hits"], document["summary"]] == lines


def test_plain_batch_lines_begin_with_the_query_id() -> None:
    text = render("plain", make_answer(make_hit(), query_id="q7"), style=Style(batch=True))
    assert text == "q7\tsrc/ignore.py:11-17  function is_ignored\n"


def test_paths_names_each_file_once_in_order() -> None:
    assert render("paths", make_answer(make_hit(), WALK, make_hit(rank=3))) == "src/ignore.py\ncrates/walk.rs\n"


def test_human_formats_show_the_path_that_opens_from_here() -> None:
    style = Style(locate=lambda path: f"../{path}", width=80)
    for name in HUMAN_FORMATS:
        assert render(name, make_answer(make_hit()), style=style).startswith("../src/ignore.py")
    assert json.loads(render("jsonl", make_answer(make_hit()), style=style).splitlines()[0])["path"] == "src/ignore.py"


HOSTILE = "a\x1b]0;owned\x07\x1b[2J\rb\n\x9b31m\u202ec\udcff"


@pytest.mark.parametrize("name", HUMAN_FORMATS)
@pytest.mark.parametrize("color", [True, False])
def test_human_formats_escape_what_a_terminal_obeys(name: str, color: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    hit = make_hit(path=f"{HOSTILE}.py", name=HOSTILE, text=f"def f():\n    '{HOSTILE}'\n", stages={HOSTILE: 1.0})
    text = render(name, make_answer(hit), style=Style(color=color, explain=True, context=9, width=200))
    own_colours = text.replace("\x1b[", "", text.count("\x1b[")) if color and name == "terminal" else text
    assert "\x1b]0;owned" not in text
    for character in "\x1b\x07\r\x9b\u202e\udcff":
        assert character not in own_colours
    assert "\\x1b]0;owned\\x07" in text
    assert "\x1b[2J" not in text


def test_json_keeps_control_characters_and_is_valid_utf8() -> None:
    text = render("jsonl", make_answer(make_hit(path=HOSTILE, text="日本\x1b")))
    hit = json.loads(text.encode("utf-8").decode("utf-8").splitlines()[0])
    assert hit["path"] == HOSTILE
    assert hit["text"] == "日本\x1b"
    assert "日本" in text


def test_json_has_no_word_for_infinite_scores() -> None:
    hit = json.loads(render("jsonl", make_answer(make_hit(stages={"rank": float("-inf")}))).splitlines()[0])
    assert hit["stages"] == {"rank": None}


def test_colour_is_left_out_unless_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" not in render("terminal", make_answer(make_hit()))
    assert "\x1b[" in render("terminal", make_answer(make_hit()), style=Style(color=True, width=80))


def test_terminal_lines_fit_the_width() -> None:
    hit = make_hit(text="def f():\n    return '" + "漢字" * 100 + "'\n", name="f")
    lines = render("terminal", make_answer(hit), style=Style(width=60)).splitlines()
    # Each of these characters takes two columns.
    assert all(sum(2 if ord(character) > 0x2E80 else 1 for character in line) <= 60 for line in lines)
    assert any("…" in line for line in lines)


@pytest.mark.parametrize("indented", ["", "\t", "    "])
def test_a_line_of_a_megabyte_costs_what_is_seen_of_it(indented: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")

    def shown(repeats: int) -> str:
        lines = ["def f():", f"{indented}return [" + "1, \t\x1b" * repeats + "]", f"{indented}# end"]
        return render("terminal", make_answer(make_hit(name="f", text="\n".join(lines))), style=style)

    style = Style(color=True, width=80)
    wanted = shown(300)
    assert "…" in wanted
    tracemalloc.start()
    try:
        assert shown(200_000) == wanted
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20_000_000  # the text itself, and copies of it


def test_a_line_that_is_cut_says_so_where_it_takes_no_width() -> None:
    hit = make_hit(name="f", text="def f():\n    'e" + "\u0301" * 5_000 + "'\n")
    assert "…" in render("terminal", make_answer(hit))


def test_headline_skips_documentation_and_attributes() -> None:
    assert headline(make_hit()) == (12, "def is_ignored(path: str, rules: Rules) -> bool:")
    assert headline(WALK) == (2, "pub fn walk(")
    assert headline(make_hit(name="", text="\n\nimport re\n")) == (13, "import re")
    assert headline(make_hit(name="", text="")) == (11, "")


def test_excerpt_is_never_longer_than_asked_and_keeps_line_numbers() -> None:
    assert excerpt(make_hit(), 0) == []
    assert [number for number, _ in excerpt(make_hit(), 3)] == [12, 13, 14]
    assert [number for number, _ in excerpt(make_hit(), 100)] == list(range(11, 18))


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_escaped_text_holds_no_control_character(text: str) -> None:
    for escaped in (escape_name(text), escape_code(text).replace("\t", "")):
        assert all(character.isprintable() or ord(character) >= 0xA0 for character in escaped)
        escaped.encode("utf-8")


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=())), st.sampled_from(HUMAN_FORMATS))
def test_no_text_breaks_a_format(text: str, name: str) -> None:
    hit = make_hit(path=text or "x", name=text, text=text)
    rendered = render(name, make_answer(hit), style=Style(explain=True, context=3, width=40))
    rendered.encode("utf-8")
    assert "\x1b" not in rendered
