"""Detection, and what a broken grammar says."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from codeseek.errors import REINSTALL, GrammarError
from codeseek.languages import Language, detect_language, find_grammars, load_languages, read_language


def name_of(language: Language | None) -> str | None:
    return language.name if language else None


@pytest.mark.parametrize(
    ("path", "head", "name"),
    [
        ("a/b.py", b"", "python"),
        ("A.PY", b"", "python"),
        ("view.tsx", b"", "typescript"),
        ("app_de.ts", b'<?xml version="1.0"?><!DOCTYPE TS>', None),
        ("app_de.ts", b'\xef\xbb\xbf<?xml version="1.0"?>', None),
        ("feed.php", b'<?xml version="1.0"?><?php f(); ?>', "php"),
        ("lib.mli", b"", "ocaml"),
        ("Rakefile", b"", "ruby"),
        ("dir.py/README", b"", None),
        (".py", b"", None),
        ("a.py.txt", b"", None),
        ("run", b"#!/usr/bin/env python3\n", "python"),
        ("run", b"#!/usr/bin/python3.11 -u\n", "python"),
        ("run", b"#!/usr/bin/env -S node --title\n", "javascript"),
        ("run", b"#! /bin/sh\n", "bash"),
        ("run", b"#!", None),
        ("run", b"#!/usr/bin/env\n", None),
        ("run.txt", b"#!/bin/sh\n", None),
        ("a.h", b"int f(void);\n", "c"),
        ("a.h", b"#pragma once\nnamespace a {\n", "cpp"),
        ("a.h", b"template <typename T>\nstruct A;\n", "cpp"),
        ("a.h", b"typedef struct { int class_count; } a;\n", "c"),
    ],
)
def test_detection(path: str, head: bytes, name: str | None) -> None:
    assert name_of(detect_language(path, head)) == name


def test_variant_has_its_own_grammar() -> None:
    plain, variant = detect_language("a.ts", b""), detect_language("a.tsx", b"")
    assert plain is not None
    assert variant is not None
    assert (plain.function, variant.function) == ("language_typescript", "language_tsx")


@pytest.mark.parametrize("name", load_languages())
def test_grammar_and_query_compile(name: str) -> None:
    language = load_languages()[name]
    for function in (language.function, *(function for _, function in language.variants)):
        replace(language, function=function).check()


def test_listing_imports_no_grammar() -> None:
    code = "import sys; from codeseek.languages import *; load_languages(); detect_language('a.py', b''); "
    code += "print([name for name in sys.modules if name.startswith('tree_sitter')])"
    environment = {"PYTHONPATH": str(find_grammars().parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_broken_query_names_language_and_position(tmp_path: Path) -> None:
    (tmp_path / "chunks.scm").write_text("(module) @definition.module\n(no_such_node) @name\n")
    language = replace(load_languages()["python"], folder=tmp_path)
    with pytest.raises(GrammarError, match=r"python.*no_such_node.*row 1, column 1|python.*row 1.*column"):
        language.check()


def test_unknown_capture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chunks.scm").write_text("(module) @definition.modul\n")
    with pytest.raises(GrammarError, match=r"@definition\.modul"):
        replace(load_languages()["python"], folder=tmp_path).check()


def test_missing_wheel_says_what_to_install() -> None:
    language = replace(load_languages()["python"], module="tree_sitter_nowhere")
    with pytest.raises(GrammarError, match="tree_sitter_nowhere") as caught:
        language.check()
    assert caught.value.hint == REINSTALL


@pytest.mark.parametrize(
    "text",
    ["name = ", 'name = "other"\ntitle = ""\nextensions = []\nmodule = ""', 'name = "it"', 'name = "it"\ncolour = 1'],
)
def test_wrong_language_file(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "it"
    folder.mkdir()
    (folder / "language.toml").write_text(text)
    with pytest.raises(GrammarError, match="it"):
        read_language(folder)
