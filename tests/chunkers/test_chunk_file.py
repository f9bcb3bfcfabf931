"""What holds for every file: ordered, disjoint, each non-blank line once, the text is the bytes, no exception."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeseek.chunkers import chunk_file
from codeseek.chunkers.source import MAX_CHARS
from codeseek.chunkers.tree import MAX_MEMBERS
from codeseek.languages import REPARSED_MAX_NODES, load_languages
from codeseek.types import Chunk, Kind

SAMPLES = sorted((Path(__file__).parent / "samples").iterdir())
LANGUAGES = load_languages()
NAMES = [f"file{language.extensions[0]}" for language in LANGUAGES.values()] + ["file.md", "file.txt", "file.tsx"]
BLANK = b" \t\r\n\v\f\0"


def check(path: str, data: bytes) -> tuple[Chunk, ...]:
    """Chunks of `data`, after checking all that is promised of them."""
    chunks = chunk_file(path, data).chunks
    lines = data.split(b"\n")
    times_covered = [0] * len(lines)
    last_line, last_byte = 0, 0
    for chunk in chunks:
        assert last_line < chunk.span.start_line <= chunk.span.end_line
        assert last_byte <= chunk.bytes.start < chunk.bytes.end <= len(data)
        last_line, last_byte = chunk.span.end_line, chunk.bytes.end
        raw = data[chunk.bytes.start : chunk.bytes.end]
        assert chunk.text == decode(raw, data)
        whole = b"\n".join(lines[chunk.span.start_line - 1 : chunk.span.end_line])
        assert raw == whole.removesuffix(b"\r")
        for line in range(chunk.span.start_line - 1, chunk.span.end_line):
            times_covered[line] += 1
    for line, times in zip(lines, times_covered, strict=True):
        assert times == 1 or (times == 0 and not line.strip(BLANK))
    return chunks


def decode(raw: bytes, data: bytes) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
    return raw.decode("utf-8")


def has_utf16_mark(data: bytes) -> bool:
    return data[:2] in (b"\xff\xfe", b"\xfe\xff")


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8, deadline=None)
@given(data=st.binary(max_size=400).filter(lambda data: not has_utf16_mark(data)))
def test_arbitrary_bytes(name: str, data: bytes) -> None:
    check(name, data)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
@settings(max_examples=8, deadline=None)
@given(cut=st.tuples(st.floats(0, 1), st.floats(0, 1)), ending=st.sampled_from([b"\n", b"\r\n", b" \n", b"\n\n"]))
def test_broken_code(sample: Path, cut: tuple[float, float], ending: bytes) -> None:
    """A sample without a piece in its middle, with other line ends: brackets and strings no longer match."""
    data = sample.read_bytes()
    start, end = sorted(int(share * len(data)) for share in cut)
    check(sample.name, (data[:start] + data[end:]).replace(b"\n", ending))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_line_ends_change_nothing(sample: Path) -> None:
    data = sample.read_bytes()
    unix = check(sample.name, data)
    windows = check(sample.name, data.replace(b"\n", b"\r\n"))
    marked = check(sample.name, b"\xef\xbb\xbf" + data)
    for other in (windows, marked):
        assert [(chunk.span, chunk.kind, chunk.qualified_name) for chunk in other] == [
            (chunk.span, chunk.kind, chunk.qualified_name) for chunk in unix
        ]
    assert [chunk.documentation for chunk in windows] == [chunk.documentation for chunk in unix]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_many_copies_in_one_file(sample: Path) -> None:
    """Long enough for every language to be cut at its limit somewhere."""
    chunks = check(sample.name, sample.read_bytes() * 20)
    assert max(len(chunk.text) for chunk in chunks) <= 3 * MAX_CHARS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", [b"", b"\n\n \n", b"\xef\xbb\xbf", b"\0", b"\xff\xfe", b"\xfe\xff\0", b"x", b"\r"])
def test_almost_nothing(name: str, data: bytes) -> None:
    chunk_file(name, data)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_cut_by_lines(encoding: str) -> None:
    text = "\ufeff" + "first ਊ line\r\n\r\n" + "second line\n" * 3
    (chunk,) = chunk_file("a.py", text.encode(encoding)).chunks
    assert chunk.text == text.removesuffix("\n")
    assert chunk.kind is Kind.TEXT
    assert (chunk.span.start_line, chunk.span.end_line) == (1, 5)


def test_latin1_is_read() -> None:
    (chunk,) = check("a.py", 'def grüße():\n    return "é"\n    # ende\n'.encode("latin-1"))
    assert chunk.name == "grüße"


def test_a_megabyte_on_one_line() -> None:
    check("a.js", b"var a = [" + b"1," * 50_000 + b"];\nfunction f() {}\n")
    check("a.txt", b"x" * 1_000_000)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.py", b"".join(b" " * depth + b"if x:\n" for depth in range(1500))),
        ("a.py", b"x = " + b"(" * 10_000 + b")" * 10_000),
        ("a.js", b"function f() {\n" * 5_000 + b"}\n" * 5_000),
        ("a.js", b"[\n" * 10_000),
        ("a.java", b"List<" * 10_000),
        ("a.cpp", b"namespace a {\n" * 10_000),
        ("a.ex", b"[{" * 10_000),
        ("a.rs", b"mod a {\n" * 5_000 + b"}\n" * 5_000),
        ("a.rs", b"m! {\n" * 5_000 + b"}\n" * 5_000),
    ],
)
def test_deep_nesting_ends_in_time(name: str, data: bytes) -> None:
    check(name, data)


# ---------------------------------------------------------------------------------------------------------------- rules


def outline(name: str, text: str) -> list[tuple[int, int, str, str]]:
    return [
        (chunk.span.start_line, chunk.span.end_line, chunk.kind.value, chunk.qualified_name)
        for chunk in check(name, text.encode())
    ]


def test_a_long_function_is_cut_at_statements() -> None:
    body = "".join(f"    if value == {number}:\n        values.append({number})\n" for number in range(120))
    chunks = check("a.py", f'def collect(value):\n    """Collects."""\n{body}    return values\n'.encode())
    assert len(chunks) > 1
    assert [chunk.part for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        assert (chunk.name, chunk.signature, chunk.kind) == ("collect", "def collect(value)", Kind.FUNCTION)
        assert len(chunk.text) <= MAX_CHARS * 1.2
        assert chunk.part == 0 or chunk.text.lstrip().startswith("if ")
    assert chunks[0].documentation == "Collects."


def test_documentation_does_not_make_a_function_long() -> None:
    lines = "".join(f"// Line {number} of a long story about little code.\n" for number in range(60))
    (chunk,) = check("a.go", f"{lines}func short() {{\n\twork()\n}}\n".encode())
    assert chunk.name == "short"
    assert len(chunk.text) > MAX_CHARS


def test_nested_functions_stay_unless_the_parent_is_cut() -> None:
    inner = "    def inner():\n" + "".join(f"        step_{number}()\n" for number in range(10))
    assert outline("a.py", f"def outer():\n{inner}    return inner\n") == [(1, 13, "function", "outer")]
    filler = "".join(f"    work_number_{number} = {number}\n" for number in range(120))
    assert (2, 12, "function", "outer.inner") in outline("a.py", f"def outer():\n{inner}{filler}")


def test_two_definitions_on_one_line_are_one_chunk() -> None:
    assert outline("a.js", "function a() {} function b() {}\n") == [(1, 1, "function", "a")]


def test_a_line_between_two_definitions_goes_to_the_second() -> None:
    text = "x = {\n  a: function () {\n    return 1;\n  }, b: function () {\n    return 2;\n  }\n};\n"
    assert outline("a.js", text) == [(1, 3, "function", "a"), (4, 7, "function", "b")]


def test_short_members_stay_with_their_class() -> None:
    text = "class A {\n  int x;\n  int a() { return 1; }\n  int b() { return 2; }\n  int c() { return 3; }\n}\n"
    assert outline("A.java", text) == [(1, 6, "class", "A")]
    assert chunk_file("A.java", text.encode()).chunks[0].members == ("a", "b", "c")


def test_short_functions_in_callbacks_stay_with_them() -> None:
    text = "app.get('/', (request) => {\n  const name = () => request.name;\n  send(name());\n});\n"
    assert outline("a.js", text) == [(1, 4, "code", "")]
    assert chunk_file("a.js", text.encode()).chunks[0].members == ("name",)


def test_each_part_remembers_its_own_members() -> None:
    lines = [f"  const step{number} = (value) => value + {number};\n" for number in range(100)]
    chunks = chunk_file("a.js", f"function run() {{\n{''.join(lines)}}}\n".encode()).chunks
    assert len(chunks) > 1
    for chunk in chunks:
        said = [number for number in range(100) if f"const step{number} =" in chunk.text]
        assert chunk.members == tuple(f"step{number}" for number in said[:MAX_MEMBERS])


def test_a_closing_brace_is_no_chunk() -> None:
    text = "class A {\n  int x;\n\n  int a() {\n    int y = 1;\n    return y;\n  }\n}\n"
    assert outline("A.java", text) == [(1, 2, "class", "A"), (4, 8, "method", "A.a")]


def test_comments_across_a_blank_line_only_as_blocks() -> None:
    assert outline("a.js", "let x;\n/** Says. */\n\nfunction a() {}\n")[1] == (2, 4, "function", "a")
    assert outline("a.js", "let x;\n// Says.\n\nfunction a() {}\n")[1] == (4, 4, "function", "a")


def test_trailing_comment_of_the_line_above_is_not_documentation() -> None:
    chunk = check("a.go", b"package a\n\nvar x = 1 // not about f\nfunc f() {\n}\n")[1]
    assert (chunk.name, chunk.documentation) == ("f", "")


def test_markdown_fences_hide_headings() -> None:
    text = "# A\n```\n# not\n```\n## B\ntext\n"
    assert outline("a.md", text) == [(1, 4, "text", "A"), (5, 6, "text", "A.B")]


def test_windows_of_plain_text_end_at_blank_lines() -> None:
    text = "\n".join("\n".join(f"line {block}.{line}" for line in range(15)) + "\n" for block in range(6))
    for chunk in check("a.yaml", text.encode()):
        assert chunk.kind is Kind.TEXT
        assert chunk.text.splitlines()[0].endswith(".0")
        assert chunk.text.splitlines()[-1].endswith(".14")


def test_a_comment_below_an_indented_block_belongs_to_what_follows() -> None:
    first = "  def first(x: Int): Int =\n    val y = x\n    y + 1\n"
    second = "  /** Second. */\n  def second(x: Int): Int =\n    val y = x\n    y + 2\n"
    chunks = {chunk.name: chunk for chunk in chunk_file("a.scala", f"object A:\n{first}\n{second}".encode()).chunks}
    assert chunks["second"].documentation == "Second."
    assert "Second" not in chunks["first"].text


def test_definitions_in_the_call_of_a_macro() -> None:
    item = "pub fn in_{0}() {{\n    a();\n    b();\n}}\n"
    nested = "".join("m! {\n" + item.format(depth) for depth in range(6)) + "}\n" * 6
    broken = "n! { " + item.format("broken") + " => }\n"
    called = "fn f() {\n    select! { " + item.format("call") + " }\n}\n"
    chunks = chunk_file("a.rs", (nested + broken + called).encode()).chunks
    assert {chunk.name for chunk in chunks if chunk.name} == {"in_0", "in_1", "in_2", "f"}


def test_so_many_calls_of_macros_are_read() -> None:
    """Each is a parse of its own, so a file of them would take time without end."""
    call = "m! {\n    fn f() {\n        a();\n    }\n}\n"
    chunks = chunk_file("a.rs", (call * (REPARSED_MAX_NODES + 50)).encode()).chunks
    assert sum(chunk.name == "f" for chunk in chunks) == REPARSED_MAX_NODES
