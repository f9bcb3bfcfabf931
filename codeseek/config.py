"""The user's configuration: one TOML file in the platform's configuration folder. A repository cannot set any of it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from codeseek.errors import ConfigError
from codeseek.paths import config_dir

CONFIG_VARIABLE = "CODESEEK_CONFIG"
CONFIG_NAME = "config.toml"

OUTPUT_FORMATS = ("terminal", "plain", "json", "jsonl", "vimgrep", "paths")
DEVICES = ("auto", "cpu", "cuda", "mps")

DEFAULT_LIMIT = 10
MAX_LIMIT = 1000
SIZE_LIMIT_BYTES = 2**63  # the catalogue remembers a size as an integer of SQLite, which is below it
SHOWN_MAX_CHARS = 100  # of a wrong value, in the message that refuses it


@dataclass(frozen=True, slots=True)
class Config:
    """Defaults for options of the same names; None leaves the choice to the program.

    `format` counts on a terminal only: a pipe gets `plain` unless `--format` says otherwise, so that no setting breaks
    a script. `max_file_size` is in bytes.
    """

    limit: int = DEFAULT_LIMIT
    format: str | None = None
    context: int | None = None
    rerank: bool = True
    depth: int | None = None
    min_score: float | None = None
    wait: bool = False
    device: str = "auto"
    encoder: str | None = None
    ranker: str | None = None
    max_file_size: int | None = None


def config_path() -> Path:
    """Returns the file's place: `CODESEEK_CONFIG`, else `config.toml` in the platform's configuration folder."""
    override = os.environ.get(CONFIG_VARIABLE)
    return Path(override).expanduser() if override else config_dir() / CONFIG_NAME


def load_config(path: Path | None = None) -> Config:
    """Read the user's file; without one, the defaults.

    Args:
        path: The file, `config_path()` by default. A missing file is an empty one.

    Raises:
        ConfigError: If it is not TOML, holds an unknown key (the hint names the nearest), or a wrong value.
    """
    path = path or config_path()
    if path.is_fifo():
        raise ConfigError(f"cannot read {path}: it is a pipe", hint="name a file: CODESEEK_CONFIG=FILE")
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Config()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint=f"fix or remove it: {path}") from error
    return parse_config(data, source=str(path))


def parse_config(data: bytes, *, source: str) -> Config:
    """As `load_config` for the bytes of a file; `source` names it in messages."""
    import tomllib

    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, 5,000 digits or brackets
        raise ConfigError(f"cannot read {source}: not TOML: {error}", hint=f"fix or remove it: {source}") from error
    known = [field.name for field in fields(Config)]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            close = difflib.get_close_matches(key.replace("-", "_"), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known)}"
            raise ConfigError(f"{source}: unknown key {key}", hint=hint)
        values[key] = _checked(key, value, source)
    return Config(**values)


def parse_size(text: str) -> int:
    """Returns bytes from `1000000`, `512k`, `1M` or `2G` (powers of 1024).

    Raises:
        ValueError: If it is none of these, not positive, or 2**63 and more.
    """
    units = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
    number = text.strip().lower().removesuffix("b").removesuffix("i")
    unit = number[-1:] if number[-1:] in ("k", "m", "g") else ""
    size = float(number.removesuffix(unit)) * units[unit]
    if not 1 <= size < SIZE_LIMIT_BYTES:  # nan is neither
        raise ValueError(f"not a size: {text}")
    return int(size)


def _checked(key: str, value: Any, source: str) -> Any:
    wanted, accepts = _RULES[key]
    if not accepts(value):
        hint = ""
        if key in ("format", "device") and isinstance(value, str):
            close = difflib.get_close_matches(value, OUTPUT_FORMATS if key == "format" else DEVICES, n=1)
            hint = f'did you mean {key} = "{close[0]}"?' if close else ""
        raise ConfigError(f"{source}: {key} is {_shown(value)}, wanted {wanted}", hint=hint or f"fix it in {source}")
    if key == "max_file_size":
        return parse_size(str(value))
    if key in ("encoder", "ranker") and not value.startswith(("/", "~", "hub:")):
        return f"hub:{value}"  # a folder of that name in the repository that is searched must not stand in for it
    return float(value) if key == "min_score" else value


def _shown(value: Any) -> str:
    """`value` for a message. Python writes no integer of more than 4,300 digits, which hexadecimal ones can be."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN_MAX_CHARS else f"{text[:SHOWN_MAX_CHARS]}…"


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_size(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return False
    try:
        return parse_size(str(value)) > 0
    except (ValueError, OverflowError):
        return False


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_model(value: Any) -> bool:
    """A hub id, or a folder that is the same wherever the user is."""
    if not isinstance(value, str) or not value.strip() or value.startswith("."):
        return False
    return value.startswith(("/", "~")) or value.count("/") < 2


_RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "limit": (f"a whole number from 1 to {MAX_LIMIT}", _whole(1, MAX_LIMIT)),
    "format": (f"one of {', '.join(OUTPUT_FORMATS)}", lambda value: value in OUTPUT_FORMATS),
    "context": ("a whole number from 0 to 1000", _whole(0, 1000)),
    "rerank": ("true or false", lambda value: isinstance(value, bool)),
    "depth": (f"a whole number from 1 to {MAX_LIMIT}", _whole(1, MAX_LIMIT)),
    "min_score": ("a number from 0 to 1", _is_share),
    "wait": ("true or false", lambda value: isinstance(value, bool)),
    "device": (f"one of {', '.join(DEVICES)}", lambda value: value in DEVICES),
    "encoder": ("a hub id, or a folder from / or ~ on", _is_model),
    "ranker": ("a hub id, or a folder from / or ~ on", _is_model),
    "max_file_size": ('bytes, or a size such as "1M"', _is_size),
}
