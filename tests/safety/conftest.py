"""What the tests of hazards share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.hazards import NOBODY, find_answers, write_files
from fakes.word_encoder import WordEncoder

from codeseek.build import build_index


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "repository")


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository and an empty cache that belong to an unprivileged user, where that one can reach them."""
    top = Path(tempfile.mkdtemp(prefix="codeseek-", dir="/tmp"))
    monkeypatch.setenv("CODESEEK_CACHE_DIR", str(top / "cache"))
    # Whatever is imported late is imported here, as this user.
    build_index(write_files(top / "repository"), WordEncoder())
    find_answers(top / "repository")
    shutil.rmtree(top / "cache")
    (top / "cache").mkdir(mode=0o700)
    for parent, folders, files in os.walk(top):
        for path in (parent, *(os.path.join(parent, name) for name in (*folders, *files))):
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
    yield top
    shutil.rmtree(top, ignore_errors=True)
