"""Every command has help, its help is golden, and the README says what the program does."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from codeseek.cli.app import COMMANDS, build_app, run
from codeseek.config import OUTPUT_FORMATS, Config, parse_config
from codeseek.files import MAX_FILE_BYTES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMES = [command.name for command in COMMANDS]


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_is_golden(
    name: str, golden: Callable[[str, str], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert run([*name.split(), "--help"]) == 0
    golden(f"help_{name or 'codeseek'}.txt", capsys.readouterr().out)


@pytest.mark.parametrize("name", NAMES)
def test_each_command_and_option_has_help_and_the_readme_names_it(name: str) -> None:
    group = get_command(build_app())
    command = group.get_command(None, name)
    assert command.help
    assert f"`codeseek {name}" in README
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name} has no help"


def test_the_readme_names_each_format_and_configuration_key() -> None:
    for name in OUTPUT_FORMATS:
        assert f"| `{name}` |" in README
    (example,) = fenced("toml")
    config = parse_config(example.encode(), source="README")
    assert set(re.findall(r"^(?:# )?(\w+) =", example, re.MULTILINE)) == set(config.__dataclass_fields__)
    defaults = {**vars_of(Config()), "format": "terminal", "context": 5, "depth": 20, "min_score": 0.0}
    assert vars_of(config) == {**defaults, "max_file_size": MAX_FILE_BYTES}


def vars_of(config: Config) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_the_command_lines_of_the_readme_parse() -> None:
    group = get_command(build_app())
    lines = [
        line.split("#")[0] for block in fenced("sh") for line in block.splitlines() if line.startswith("codeseek ")
    ]
    assert len(lines) >= 8
    for line in lines:
        name, *arguments = shlex.split(line)[1:]
        group.get_command(None, name).make_context(name, arguments)


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_inside_the_repository_lead_somewhere(file: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / file).read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_the_problem_matcher_of_vs_code_reads_vimgrep_lines() -> None:
    (text,) = fenced("json")
    (task,) = json.loads(text)["tasks"]
    pattern = task["problemMatcher"]["pattern"]
    match = re.match(pattern["regexp"], "src/a b.py:12:5:def f(x: int) -> None:")
    assert match is not None
    found = {key: match[pattern[key]] for key in ("file", "line", "column", "message")}
    assert found == {"file": "src/a b.py", "line": "12", "column": "5", "message": "def f(x: int) -> None:"}


@pytest.fixture
def editor_environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose `codeseek` prints two fixed vimgrep lines, whatever the query."""
    for name in ("first.py", "second.py"):
        (tmp_path / name).write_text("import os\n\n\n    def walk():\n        pass\n")
    script = tmp_path / "bin" / "codeseek"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        'echo "$@" >> arguments.txt\n'
        "echo 'codeseek: built the index' >&2\n"
        "echo 'first.py:4:5:def walk():'\n"
        "echo 'second.py:5:9:pass: with: colons'\n"
    )
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}


@pytest.mark.parametrize("editor", ["vim", "nvim"])
@pytest.mark.parametrize("command", ["Seek where are files", 'silent grep! "where are files"'])
def test_vim_fills_the_quickfix_list(
    editor: str, command: str, tmp_path: Path, editor_environment: dict[str, str]
) -> None:
    if shutil.which(editor) is None:
        pytest.skip(f"{editor} is not installed")
    (recipe,) = fenced("vim")
    (grep,) = re.findall(r"^`(set grepprg=.*?)`", README, re.MULTILINE)
    (tmp_path / "recipe.vim").write_text(f"{recipe}\n{grep}\n")
    places = "map(filter(getqflist(), 'v:val.valid'), '[bufname(v:val.bufnr), v:val.lnum, v:val.col, v:val.text]')"
    arguments = ["-u", "recipe.vim", "-N", "-n", "-es", *(["--headless"] if editor == "nvim" else [])]
    script = [f"+{command}", f"+call writefile([json_encode({places})], 'places.json')", "+qall!"]
    subprocess.run(
        [editor, *arguments, *script],
        cwd=tmp_path,
        env=editor_environment,
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    found = json.loads((tmp_path / "places.json").read_text())
    assert found == [["first.py", 4, 5, "def walk():"], ["second.py", 5, 9, "pass: with: colons"]]
    assert "where are files" in (tmp_path / "arguments.txt").read_text()


def test_vim_jumps_into_a_real_repository(tmp_path: Path) -> None:
    """The whole way, with nothing replaced: vim, codeseek, the shipped model, real code."""
    if shutil.which("vim") is None:
        pytest.skip("vim is not installed")
    sources = ["ignore.py", "paths.py", "device.py"]
    for name in sources:
        shutil.copy(ROOT / "codeseek" / name, tmp_path)
    binary = tmp_path / "bin" / "codeseek"
    binary.parent.mkdir()
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} -m codeseek "$@"\n')
    binary.chmod(0o755)
    (recipe,) = fenced("vim")
    (tmp_path / "recipe.vim").write_text(recipe)
    place = "[bufname(), line('.'), getline('.'), len(getqflist())]"
    script = ["+Seek where is the cache folder", "+cfirst", f"+call writefile([json_encode({place})], 'place.json')"]
    subprocess.run(
        ["vim", "-u", "recipe.vim", "-N", "-n", "-es", *script, "+qall!"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{binary.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "TERM": "dumb"},
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    file, line, text, hits = json.loads((tmp_path / "place.json").read_text())
    assert file in sources
    assert (tmp_path / file).read_text().splitlines()[line - 1] == text
    assert hits > 1


def test_emacs_visits_each_hit(tmp_path: Path, editor_environment: dict[str, str]) -> None:
    if shutil.which("emacs") is None:
        pytest.skip("emacs is not installed")
    (recipe,) = fenced("elisp")
    (tmp_path / ".git").mkdir()
    visit = """
      (let ((buffer (codeseek "where are files")))
        (while (get-buffer-process buffer) (accept-process-output (get-buffer-process buffer) 1))
        (dotimes (_ 2)
          (next-error)
          (with-current-buffer (window-buffer)
            (princ (format "%s:%d:%d\\n" (file-name-nondirectory buffer-file-name)
                           (line-number-at-pos) (current-column))))))
    """
    (tmp_path / "recipe.el").write_text(recipe + visit)
    done = subprocess.run(
        ["emacs", "--batch", "-Q", "-l", "recipe.el"],
        cwd=tmp_path,
        env=editor_environment,
        timeout=60,
        check=False,
        text=True,
        capture_output=True,
    )
    assert [line for line in done.stdout.splitlines() if ".py:" in line] == ["first.py:4:4", "second.py:5:8"], (
        done.stderr
    )


def test_fzf_gets_lines_that_it_can_split(tmp_path: Path, editor_environment: dict[str, str]) -> None:
    if shutil.which("fzf") is None:
        pytest.skip("fzf is not installed")
    (block,) = (block for block in fenced("sh") if "fzf" in block)
    editor = tmp_path / "bin" / "editor"
    editor.write_text('#!/bin/sh\necho "$@" > opened.txt\n')
    editor.chmod(0o755)
    # --filter is fzf's mode without a screen; the recipe's own options must still parse.
    script = block.replace("fzf --delimiter", "fzf --filter second --delimiter") + "\nseek where are files\n"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**editor_environment, "EDITOR": "editor"},
        timeout=30,
        check=False,
        text=True,
        capture_output=True,
    )
    if "unknown action: become" in done.stderr:
        pytest.skip("this fzf is older than 0.38, which brought become()")
    assert done.stdout == "second.py:5:9:pass: with: colons\n", done.stderr


def test_version_is_that_of_the_package() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codeseek", "--version"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        check=True,
    )
    assert re.fullmatch(r"codeseek \d+\.\d+\.\d+\n", done.stdout)
