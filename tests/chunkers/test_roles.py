import pytest

from codeseek.chunkers.roles import is_documentation, path_flags


@pytest.mark.parametrize(
    ("path", "flags"),
    [
        ("src/walk.py", (False, False, False, False)),
        ("src/contest.py", (False, False, False, False)),
        ("src/latest/release.go", (False, False, False, False)),
        ("pkg/walk_test.go", (True, False, False, False)),
        ("src/test/java/WalkTest.java", (True, False, False, False)),
        ("spec/walk_spec.rb", (True, False, False, False)),
        ("web/app.spec.ts", (True, False, False, False)),
        ("examples/demo/main.rs", (False, True, False, False)),
        ("third_party/zlib/inflate.c", (False, False, True, False)),
        ("compat/poll.c", (False, False, True, False)),
        ("types/index.d.ts", (False, False, False, True)),
        ("pkg/__init__.py", (False, False, False, True)),
    ],
)
def test_path_flags(path, flags):
    assert path_flags(path) == flags


@pytest.mark.parametrize(
    ("path", "expected"),
    [("docs/guide.md", True), ("website/app.js", True), ("pkg/docs/a.py", True), ("src/docs.py", False)],
)
def test_documentation(path, expected):
    assert is_documentation(path) is expected
