"""The shape of the project, read from the imports: where dependencies point, one door a library, what stays unloaded.

An arrow that is missing here is a decision: add it with the change that needs it, or find the better cut.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "codeseek"

FOUNDATION = {"types", "errors"}
TOOLS = {"languages", "files", "watch", "ignore", "wildmatch", "device", "memory", "paths", "config", "words"}
STAGES = {"chunkers", "encoders", "stores", "indexes", "retrievers", "rankers"}
JOBS = {"build", "fill", "background", "update", "prepare", "verify", "maintenance", "cascade", "search"}
STUDIES = {"train", "evaluate"}

# Part -> the parts that it may import.
LAYERS: list[tuple[set[str], set[str]]] = [
    (FOUNDATION, set()),
    (TOOLS, FOUNDATION | TOOLS),
    ({"printers"}, FOUNDATION),
    (STAGES, FOUNDATION | TOOLS),
    (JOBS, FOUNDATION | TOOLS | STAGES | JOBS),
    (STUDIES, FOUNDATION | TOOLS | STAGES | JOBS | STUDIES),
    ({"cli"}, FOUNDATION | TOOLS | {"encoders", "printers"} | JOBS | STUDIES),
    ({"__main__"}, {"cli"}),
]
# Arrows between stages, each with its reason.
EXCEPTIONS = {
    ("retrievers", "chunkers"): "a hit's path says the same of its file as it did when that was cut",
    ("retrievers", "stores"): "a retriever reads the snapshot that it was made for",
    ("rankers", "encoders"): "a ranker opens the same model folders, and runs in the same runtimes",
    ("stores", "indexes"): "a snapshot hands out the search structures of the state that it holds",
}

# Library -> the modules that may import it.
DOORS = {
    "hnswlib": {"indexes/hnsw.py"},
    "simsimd": {"indexes/exact.py"},
    "tree_sitter": {"languages.py"},
    "platformdirs": {"paths.py"},
    "watchfiles": {"watch.py"},
    "typer": {"cli/*"},
    "rich": {"printers/terminal.py", "cli/progress.py"},
    "torch": {"encoders/*", "rankers/*", "device.py", "train/*"},
    "transformers": {"encoders/*", "rankers/*", "train/*"},
    "tokenizers": {"encoders/*", "rankers/*", "train/*"},
    "safetensors": {"encoders/*", "rankers/*", "train/*"},
    "onnxruntime": {"encoders/*", "rankers/*", "device.py"},
    "onnx": {"encoders/*", "train/*"},
}
ANYWHERE = {"numpy"}
# Declared and imported under another name, or by something that we import.
DISTRIBUTIONS = {"tree_sitter": "tree-sitter", "ir_measures": "ir-measures"}


@lru_cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    files = sorted(PACKAGE.rglob("*.py"))
    return tuple((file.relative_to(PACKAGE).as_posix(), ast.parse(file.read_text(encoding="utf-8"))) for file in files)


def imported(tree: ast.Module) -> Iterator[str]:
    """Full names of the modules that a tree imports, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "importlib.import_module"):
            argument = node.args[0]
            if isinstance(argument, ast.Constant):
                yield str(argument.value)


def part_of(name: str) -> str:
    return name.split("/")[0].removesuffix(".py")


def test_dependencies_point_down() -> None:
    allowed = {part: targets for parts, targets in LAYERS for part in parts}
    wrong = set()
    for name, tree in modules():
        part = part_of(name)
        if name == "__init__.py":
            continue
        assert part in allowed, f"codeseek/{name}: give its part a layer"
        for target in imported(tree):
            words = target.split(".")
            if words[0] != "codeseek" or words[1:2] in ([], ["__version__"], [part]):
                continue
            if words[1] not in allowed[part] and (part, words[1]) not in EXCEPTIONS:
                wrong.add(f"{name} imports codeseek.{words[1]}")
    assert not wrong


def test_what_a_module_offers_is_there() -> None:
    for name, tree in modules():
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                defined.add(node.id)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                defined |= {alias.asname or alias.name for alias in node.names}
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                assert set(ast.literal_eval(node.value)) <= defined, name


def test_exceptions_are_in_use_and_make_no_circle() -> None:
    arrows = {
        (part_of(name), target.split(".")[1])
        for name, tree in modules()
        for target in imported(tree)
        if target.startswith("codeseek.")
    }
    assert set(EXCEPTIONS) <= arrows
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for source, target in EXCEPTIONS:
        sorter.add(source, target)
    sorter.prepare()  # raises CycleError


def test_each_library_has_its_door() -> None:
    wrong = set()
    for name, tree in modules():
        for target in imported(tree):
            library = target.split(".")[0]
            if library in sys.stdlib_module_names or library in {"codeseek", *ANYWHERE}:
                continue
            doors = DOORS.get(library, {"languages.py"} if library.startswith("tree_sitter_") else set())
            if name not in doors and f"{part_of(name)}/*" not in doors:
                wrong.add(f"{name} imports {library}")
    assert not wrong


def test_dependencies_are_those_declared() -> None:
    """Nothing is imported that pip would not install, and nothing is installed that is not used."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {_distribution(line) for line in project["dependencies"]}
    extra = {_distribution(line) for line in project["optional-dependencies"]["train"]}
    used = {target.split(".")[0] for _, tree in modules() for target in imported(tree)}
    used = {DISTRIBUTIONS.get(name, name) for name in used if name not in sys.stdlib_module_names} - {"codeseek"}
    grammars = {name for name in declared if name.startswith("tree-sitter-")}
    wanted = {
        tomllib.loads(file.read_text(encoding="utf-8"))["module"].replace("_", "-")
        for file in (ROOT / "grammars").glob("*/language.toml")
    }
    assert grammars == wanted
    assert used - declared - extra == set()
    assert declared - grammars - used == set()


def _distribution(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower()  # type: ignore[index]


def test_modules_stay_short() -> None:
    lengths = {name: len((PACKAGE / name).read_text(encoding="utf-8").splitlines()) for name, _ in modules()}
    assert {name: length for name, length in lengths.items() if length > 500} == {}


def test_the_core_does_not_print() -> None:
    calls = defaultdict(list)
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                calls[name].append(node.lineno)
    assert not calls


def loaded_by(*arguments: str, folder: Path) -> set[str]:
    """Names of the top-level modules that a command has loaded when it is done."""
    code = (
        "import sys, atexit\n"
        "top = lambda: ' '.join({name.split('.')[0] for name in sys.modules})\n"
        "atexit.register(lambda: sys.stderr.write(f'LOADED {top()}\\n'))\n"
        f"sys.argv = ['codeseek', *{list(arguments)!r}]\n"
        "from codeseek.__main__ import main\n"
        "main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return set(re.search(r"^LOADED (.*)$", done.stderr, re.MULTILINE)[1].split())  # type: ignore[index]


@pytest.mark.parametrize("arguments", [("--help",), ("search", "--help"), ("--version",)])
def test_help_loads_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    heavy = {"torch", "transformers", "onnxruntime", "numpy", "hnswlib", "tree_sitter", "rich", "sqlite3", "watchfiles"}
    assert loaded_by(*arguments, folder=tmp_path) & heavy == set()


def test_status_and_a_search_on_the_cpu_load_no_torch(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "walk.py").write_text("def walk(folder):\n    return sorted(folder.iterdir())\n")
    search = ("search", "list a folder", "--device", "cpu", "--root", str(root))
    for arguments in (search, ("status", str(root)), search):
        loaded = loaded_by(*arguments, folder=tmp_path)
        assert loaded & {"torch", "transformers", "rich"} == set()
        assert "sqlite3" in loaded, "the command did its work"
    loaded = loaded_by("index", str(root), folder=tmp_path)
    assert loaded & {"torch", "onnxruntime", "tokenizers", "hnswlib", "tree_sitter"} == set(), "nothing was to be done"
