"""What every test shares: no cache or configuration of the person who runs them, and golden files."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files; read the diff in review")


# A shell starts what runs behind it with SIGINT ignored, and children inherit that: the tests of Ctrl-C need it back.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test, and each process that it starts, has its own cache and configuration."""
    monkeypatch.setenv("CODESEEK_CACHE_DIR", str(tmp_path / "codeseek-cache"))
    monkeypatch.setenv("CODESEEK_CONFIG", str(tmp_path / "no-config.toml"))
    for name in ("NO_COLOR", "FORCE_COLOR", "CODESEEK_DEBUG", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """A check of text against `golden/<name>` beside the test; `--update-golden` rewrites the file."""

    def check(name: str, text: str) -> None:
        file = request.path.parent / "golden" / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="")
        assert file.exists(), f"no golden file {file}: run pytest --update-golden"
        assert text == file.read_bytes().decode("utf-8")

    return check
