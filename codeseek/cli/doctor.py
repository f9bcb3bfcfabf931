"""`codeseek doctor`."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from codeseek import __version__
from codeseek.cli.choices import parse_choice
from codeseek.cli.failures import EXIT_ERROR
from codeseek.cli.options import DeviceOption, EncoderOption, new_app
from codeseek.cli.streams import results_stream
from codeseek.cli.tables import format_size, format_table
from codeseek.config import DEVICES, Config, config_path, load_config
from codeseek.errors import REINSTALL, CodeseekError

app = new_app()

# Below it, a build of an ordinary repository may not fit.
LOW_DISK_BYTES = 1 << 30

# `IdentityRanker.name`: keeps the order of the first stage.
NO_RANKER = "identity"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `hint` is the remedy where something does not work."""

    name: str
    works: bool
    detail: str
    hint: str = ""


@app.command(epilog="Example: codeseek doctor")
def doctor(
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="plain or json.")] = "plain",
    device: DeviceOption = None,
    encoder: EncoderOption = None,
) -> int:
    """Check what works on this machine: configuration, folders, packages, grammars, models and device."""
    as_json = parse_choice("--format", format, ("plain", "json")) == "json"
    if device is not None:
        parse_choice("--device", device, DEVICES)
    findings = list(_examine(device, encoder))
    out = results_stream(utf8=as_json)
    if as_json:
        from codeseek.printers.records import to_json

        records = [
            {"name": entry.name, "works": entry.works, "detail": entry.detail, "hint": entry.hint} for entry in findings
        ]
        out.write(to_json({"version": __version__, "checks": records}, indent=2) + "\n")
    else:
        for entry in findings:
            out.write(format_table([("ok  " if entry.works else "FAIL", f"{entry.name:<14}", entry.detail)]))
            if entry.hint:
                out.write(f"      hint: {entry.hint}\n")
    return 0 if all(entry.works for entry in findings) else EXIT_ERROR


def _examine(device: str | None, encoder: str | None) -> Iterator[Finding]:
    """Yields one finding a check; a check that raises is a finding, too."""
    config = Config()
    yield Finding("codeseek", True, f"{__version__}, Python {platform.python_version()}, {platform.platform()}")
    try:
        config = load_config()
        yield Finding(
            "configuration", True, f"{config_path()}{'' if config_path().exists() else ' (not there: defaults)'}"
        )
    except CodeseekError as error:
        yield Finding("configuration", False, str(error), error.hint)
    checks: list[tuple[str, Callable[[], str]]] = [
        ("cache", _cache),
        ("packages", _packages),
        ("grammars", _grammars),
        ("device", lambda: _device(device or config.device)),
        ("encoder", lambda: _encoder(encoder or config.encoder, device or config.device)),
        ("ranker", lambda: _ranker(config.ranker, device or config.device)),
    ]
    for name, check in checks:
        try:
            yield Finding(name, True, check())
        except CodeseekError as error:
            yield Finding(name, False, str(error), error.hint)
        except Exception as error:
            yield Finding(name, False, f"{type(error).__name__}: {error}", "see where: codeseek --debug index")


def _cache() -> str:
    from codeseek.errors import FileError
    from codeseek.paths import cache_dir, make_private_dir

    folder = make_private_dir(cache_dir())
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(f"cannot write in {folder}", hint="fix its permissions, or set CODESEEK_CACHE_DIR=DIR")
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < LOW_DISK_BYTES:
        raise FileError(f"only {format_size(free_bytes)} free in {folder}", hint="codeseek clean --list")
    return f"{folder}, {format_size(free_bytes)} free"


def _packages() -> str:
    """Versions, without importing what takes seconds."""
    from importlib.metadata import PackageNotFoundError, version

    from codeseek.errors import ModelError

    found = []
    for name in ("torch", "transformers", "onnxruntime", "hnswlib", "tree-sitter", "numpy"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError as error:
            raise ModelError(f"{name} is not installed", hint=REINSTALL) from error
    return ", ".join(found)


def _grammars() -> str:
    from codeseek.languages import find_grammars, load_languages

    languages = load_languages()
    for language in languages.values():
        language.check()
    return f"{len(languages)} languages in {find_grammars()}"


def _device(name: str) -> str:
    from codeseek.device import describe_device

    return describe_device(name)


def _encoder(name: str | None, device: str) -> str:
    """Loads the model and encodes a word with it, as a query and as a document."""
    from codeseek.encoders import LazyEncoder

    encoder = LazyEncoder(name, device)
    (vector,) = encoder.encode_queries(["walk"])
    encoder.encode_documents(["walk"])
    return f"{encoder.name}, {len(vector)} dimensions"


def _ranker(name: str | None, device: str) -> str:
    """Loads the model and reads one document with it, where there is one."""
    from codeseek.evaluate.models import load_models

    ranker = load_models(None, name, device, vectors=False).ranker
    if ranker is None or ranker.name == NO_RANKER:
        return "none: the first stage's order is kept"
    ranker.rank("walk", ["def walk(): pass"])
    return ranker.name
