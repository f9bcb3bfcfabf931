import os
import random
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import codeseek.files
from codeseek.files import read_file, read_inside, walk
from codeseek.ignore import Globs, Rules
from codeseek.types import Skipped, SkipReason, SourceFile

CODE = b"def f():\n    return 1\n"


@pytest.fixture
def no_user_git(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without git configuration, so that the machine's own says nothing; returns it."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    return home


def write(root: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def git(root: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", root, *arguments], check=True, capture_output=True).stdout


def walked(root: Path, **options: Any) -> list[str]:
    return [found.path for found in walk(root, **options) if isinstance(found, SourceFile)]


def skips(root: Path) -> dict[str, SkipReason]:
    return {found.path: found.reason for found in walk(root) if isinstance(found, Skipped)}


def source(root: Path, name: str) -> SourceFile:
    return next(found for found in walk(root) if found.path == name)


def reason(root: Path, name: str, data: bytes) -> SkipReason | None:
    write(root, {name: data})
    result = read_file(SourceFile(name, root / name, len(data), 0))
    return result.reason if isinstance(result, Skipped) else None


# ------------------------------------------------------------------------------------------------------------- ignoring

NAMES = ["a", "b", "foo", "bar", "build", "x.o", "y.py", "keep.o", "a b", "[x]", "#c", "!d", "é.py", "foo.txt", ".hid"]
PATTERNS = [
    *["a", "b/", "/foo", "foo/", "*.o", "!keep.o", "foo/*", "!foo/bar", "**/a", "a/**", "a/**/b", "/*", "!/foo", "*"],
    *["!*/", "!*.py", "f?o", "[ab]", "[!ab]", "[a-f]*", "foo/**/x.o", "**/build/**", "\\!d", "\\#c", "# no", "a\\ b"],
    *["a b  ", "/a/b", "b/x.o", "!a/", "[[]x]", "[", "\\[x\\]", "**", "**/", "/**", "*/a", "a/*/b", "é*", "!", "/", ""],
    *[
        "x.o/",
        "foo.txt\r",
        "**foo",
        "fo**o",
        "a/b/",
        "!b/x.o",
        "*[[:digit:]]*",
        ".*",
        "!.hid",
        "foo//bar",
        "[^a]*",
        "?",
    ],
]


def random_tree(root: Path, random_: random.Random) -> None:
    git(root, "init", "-q")
    for _ in range(25):
        folder = root.joinpath(*random_.choices(NAMES, k=random_.randrange(4)))
        name = random_.choice(NAMES)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / name).exists():
                (folder / name).write_bytes(CODE)
        except (FileExistsError, NotADirectoryError):
            continue
    folders = [path for path in root.rglob("*") if path.is_dir() and ".git" not in path.parts]
    places = [root, *random_.sample(folders, min(3, len(folders)))]
    for place in places:
        (place / ".gitignore").write_text("\n".join(random_.choices(PATTERNS, k=random_.randrange(1, 6))) + "\n")
    (root / ".git/info/exclude").write_text(random_.choice(PATTERNS) + "\n")


@pytest.mark.parametrize("seed", range(40))
def test_ignores_what_git_ignores(tmp_path: Path, no_user_git: Path, seed: int) -> None:
    random_ = random.Random(seed)
    random_tree(tmp_path, random_)
    (no_user_git / ".config/git").mkdir(parents=True)
    (no_user_git / ".config/git/ignore").write_text(random_.choice(PATTERNS) + "\n")
    expected = {
        os.fsdecode(name) for name in git(tmp_path, "ls-files", "-zco", "--exclude-standard").split(b"\0") if name
    }
    assert set(walked(tmp_path)) == expected


def test_global_excludes_of_the_users_configuration(tmp_path: Path, no_user_git: Path) -> None:
    (no_user_git / ".gitconfig").write_text('[user]\n\tname = x\n[core]\n\texcludesFile = "~/my-ignores"\n')
    (no_user_git / "my-ignores").write_text("*.log\n")
    write(tmp_path, {"a.py": CODE, "b.log": CODE})
    assert walked(tmp_path) == ["a.py"]


def test_a_repository_does_not_choose_files_to_read_as_ignore_rules(tmp_path: Path, no_user_git: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, {"rules": "*.py\n", "a.py": CODE})
    git(tmp_path, "config", "core.excludesFile", str(tmp_path / "rules"))
    assert "a.py" in walked(tmp_path)


def test_codeseekignore_wins_over_gitignore(tmp_path: Path, no_user_git: Path) -> None:
    write(tmp_path, {"a.gen": CODE, "b.py": CODE, ".gitignore": "*.gen\n", ".codeseekignore": "!a.gen\n*.py\n"})
    assert {"a.gen", "b.py"} & set(walked(tmp_path)) == {"a.gen"}


def test_rules_hold_in_a_subfolder_given_as_root(tmp_path: Path, no_user_git: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, {".gitignore": "/src/gen\n*.log\n", "src/gen/a.py": CODE, "src/b.log": CODE, "src/c.py": CODE})
    assert walked(tmp_path / "src") == ["c.py"]


def test_linked_worktree_reads_the_common_excludes(tmp_path: Path, no_user_git: Path) -> None:
    main = tmp_path / "main"
    write(main, {"a.py": CODE})
    git(main, "init", "-q")
    git(main, "add", ".")
    git(main, "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x")
    git(main, "worktree", "add", "-q", str(tmp_path / "linked"))
    (main / ".git/info/exclude").write_text("secret*\n")
    write(tmp_path / "linked", {"secret.py": CODE})
    assert walked(tmp_path / "linked") == ["a.py"]


def test_a_nested_repository_has_its_own_rules(tmp_path: Path, no_user_git: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, {".gitignore": "*.txt\n", "sub/a.txt": CODE, "sub/b.md": CODE, "sub/.gitignore": "*.md\n"})
    git(tmp_path / "sub", "init", "-q")
    assert "sub/a.txt" in walked(tmp_path)
    assert "sub/b.md" not in walked(tmp_path)


def test_an_ignored_folder_is_counted_once(tmp_path: Path, no_user_git: Path) -> None:
    write(tmp_path, {".gitignore": "node_modules/\n", "node_modules/a/b.js": CODE, "node_modules/c.js": CODE})
    assert skips(tmp_path) == {"node_modules": SkipReason.IGNORED}


def test_hostile_patterns_cost_no_time() -> None:
    rules = Rules(["*a" * 40 + "b", "**/a/" * 30 + "b", "a*" * 60 + "/" + "*b" * 40])
    assert rules.check("a" * 250) is None
    assert rules.check("a/" * 120 + "a") is None


def test_extra_rules_and_hidden_files(tmp_path: Path, no_user_git: Path) -> None:
    write(tmp_path, {".github/ci.yml": CODE, ".hg/store": CODE, "a.py": CODE, "b.py": CODE})
    assert walked(tmp_path, ignore=["b.py"]) == ["a.py", ".github/ci.yml"]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (("*.py",), {"a.py", "src/b.py", "src/deep/c.py"}),
        (("src/*.py",), {"src/b.py"}),
        (("src/**/*.py",), {"src/b.py", "src/deep/c.py"}),
        (("!src",), {"a.py", "d.ts", "e.tsx"}),
        (("src",), {"src/b.py", "src/deep/c.py"}),
        (("*.py", "!**/deep/**"), {"a.py", "src/b.py"}),
        (("!*.py", "src/b.py"), {"src/b.py"}),
        (("*.{ts,tsx}",), {"d.ts", "e.tsx"}),
        ((), {"a.py", "src/b.py", "src/deep/c.py", "d.ts", "e.tsx"}),
    ],
)
def test_globs_as_in_ripgrep(globs: tuple[str, ...], expected: set[str]) -> None:
    paths = ["a.py", "src/b.py", "src/deep/c.py", "d.ts", "e.tsx"]
    assert {path for path in paths if Globs(globs).matches(path)} == expected


# -------------------------------------------------------------------------------------------------------------- walking


def test_order_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    write(tmp_path, {name: CODE for name in ("b/z.py", "b/a.py", "a.py", "c.py", "B.py")})
    assert walked(tmp_path) == ["B.py", "a.py", "c.py", "b/a.py", "b/z.py"]


def test_links_never_lead_out_and_never_loop(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = write(tmp_path / "root", {"a.py": CODE, "in/b.py": CODE})
    write(outside, {"secret.py": CODE})
    (root / "file.py").symlink_to(outside / "secret.py")
    (root / "folder").symlink_to(outside)
    (root / "in/loop").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "same.py").symlink_to("a.py")
    (root / "broken.py").symlink_to("nothing")
    assert walked(root) == ["a.py", "in/b.py"]
    found = skips(root)
    assert found["file.py"] == found["folder"] == SkipReason.OUTSIDE_ROOT
    assert found["broken.py"] == SkipReason.UNREADABLE
    assert "same.py" not in found


def test_a_link_out_to_a_name_that_is_not_utf8_says_where_in_text(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(os.fsdecode(b"/nowhere/caf\xe9"))
    (skipped,) = walk(tmp_path)
    assert skipped == Skipped("link", SkipReason.OUTSIDE_ROOT, r"/nowhere/caf\xe9")


def test_special_large_empty_and_generated_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    write(tmp_path, {"big.py": b"x" * 101, "empty.py": b"", "Cargo.lock": b"x", "a.min.js": b"x", "b_pb2.py": b"x"})
    found = {item.path: item.reason for item in walk(tmp_path, max_file_bytes=100) if isinstance(item, Skipped)}
    assert found == {
        "pipe.py": SkipReason.SPECIAL,
        "big.py": SkipReason.TOO_LARGE,
        "empty.py": SkipReason.EMPTY,
        "Cargo.lock": SkipReason.GENERATED,
        "a.min.js": SkipReason.GENERATED,
        "b_pb2.py": SkipReason.GENERATED,
    }


def test_names_that_are_not_utf8_or_hold_newlines(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.py")).write_bytes(CODE)
    (tmp_path / "new\nline.py").write_bytes(CODE)
    assert walked(tmp_path) == ["caf\udce9.py", "new\nline.py"]
    assert read_file(source(tmp_path, "caf\udce9.py")) == CODE


def test_a_deep_tree(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1100):  # deeper than Python's stack; a path longer than the system takes ends in a reason
        os.mkdir("deep", dir_fd=descriptor)
        below = os.open("deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    try:
        assert SkipReason.UNREADABLE in skips(tmp_path).values()
    finally:  # pytest's own way of removing it would be too deep
        subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_without_permission_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": CODE, "closed/b.py": CODE})
    (tmp_path / "closed").chmod(0)
    try:
        assert skips(tmp_path) == {"closed": SkipReason.UNREADABLE}
    finally:
        (tmp_path / "closed").chmod(0o700)


# -------------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (CODE, None),
        (b"abc\0def", SkipReason.BINARY),
        ("söme text".encode("utf-16"), None),
        (b" \n\t\n", SkipReason.EMPTY),
        (b"x = 1;" * 1000, SkipReason.MINIFIED),
        (b"// Code generated by protoc-gen-go. DO NOT EDIT.\npackage x\n", SkipReason.GENERATED),
        (b"/*\n * @generated SignedSource<<x>>\n */\n", SkipReason.GENERATED),
        (b"# This file was automatically generated by SWIG.\n# Do not modify this file.\n", SkipReason.GENERATED),
        (b"// <auto-generated>\n", SkipReason.GENERATED),
        (b'MARK = "@generated"\n\n\ndef is_generated(text): ...\n', None),
        (b"# generated by hand, with love\nx = 1\n", None),
        (b"# do not edit this list without asking\nx = 1\n", None),
        (b"\n" * 60 + b"# Code generated by x. DO NOT EDIT.\n", None),
        (b"caf\xe9 = 1\n", None),
    ],
)
def test_reasons_found_in_the_bytes(tmp_path: Path, data: bytes, expected: SkipReason | None) -> None:
    assert reason(tmp_path, "a.txt", data) == expected


def test_a_file_that_became_something_else_since_the_walk(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": CODE, "b.py": CODE, "c.py": CODE, "d.py": CODE})
    sources = {name: source(tmp_path, name) for name in ("a.py", "b.py", "c.py", "d.py")}
    for name in sources:
        (tmp_path / name).unlink()
    (tmp_path / "a.py").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "b.py")
    (tmp_path / "c.py").write_bytes(b"x\n" * 100)
    results = {name: read_file(found, max_file_bytes=100) for name, found in sources.items()}
    assert {name: result.reason for name, result in results.items() if isinstance(result, Skipped)} == {
        "a.py": SkipReason.UNREADABLE,
        "b.py": SkipReason.SPECIAL,
        "c.py": SkipReason.TOO_LARGE,
        "d.py": SkipReason.UNREADABLE,
    }


def test_reading_is_bounded_by_the_limit() -> None:
    endless = SourceFile("kallsyms", Path("/proc/kallsyms"), 0, 0)  # of size 0, and megabytes long
    result = read_file(endless, max_file_bytes=1000)
    assert isinstance(result, Skipped)
    assert (result.reason, result.detail) == (SkipReason.TOO_LARGE, "grew above the limit of 1,000 bytes")


def test_reading_takes_memory_for_the_file_and_not_for_the_limit(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": CODE, "large.py": CODE * 50_000})
    sources = [found for found in walk(tmp_path, max_file_bytes=2 << 30) if isinstance(found, SourceFile)]
    tracemalloc.start()
    try:
        for found in sources:
            data = read_file(found, max_file_bytes=2 << 30)
            assert data == CODE * (found.size_bytes // len(CODE))
            assert read_inside(tmp_path, found.path, max_bytes=2 << 30) == data
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 5 * len(CODE) * 50_000


def test_a_file_that_is_longer_than_it_says_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codeseek.files, "READ_BYTES", 100)
    wanted = Path("/proc/self/limits").read_bytes()  # of size 0
    assert len(wanted) > 1000
    assert read_inside(Path("/proc/self"), "limits", max_bytes=1 << 20) == wanted
    assert read_inside(Path("/proc/self"), "limits", max_bytes=250) == wanted[:250]


def test_a_hit_is_read_inside_the_root_alone(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, {"src/deep/a.py": CODE})
    write(tmp_path, {"secret/b.py": CODE})
    assert read_inside(root, "src/deep/a.py", max_bytes=1000) == CODE
    assert read_inside(root, "src/deep/a.py", max_bytes=3) == CODE[:3]
    before = os.listdir("/dev/fd")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "b.py").symlink_to(tmp_path / "secret" / "b.py")
    os.mkfifo(root / "pipe")
    for path in ("link/b.py", "b.py", "pipe", "src", "src/absent.py", "src/deep/a.py/b.py"):
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
            read_inside(root, path, max_bytes=1000)
    assert os.listdir("/dev/fd") == before  # each way out closes what it opened
