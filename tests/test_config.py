"""The user's configuration is read strictly, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codeseek.cli.choices import known_kinds
from codeseek.config import DEVICES, Config, config_path, load_config, parse_config, parse_size
from codeseek.device import DEVICES as KNOWN_DEVICES
from codeseek.errors import ConfigError
from codeseek.types import Kind


def test_a_missing_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path / "none.toml") == Config()
    assert load_config() == Config()


def test_every_key_is_read() -> None:
    data = b"""
    limit = 5
    format = "plain"
    context = 3
    rerank = false
    depth = 40
    min_score = 0
    device = "cpu"
    encoder = "~/models/unixcoder"
    ranker = "me/ranker"
    max_file_size = "2M"
    """
    assert parse_config(data, source="c.toml") == Config(
        limit=5,
        format="plain",
        context=3,
        rerank=False,
        depth=40,
        min_score=0.0,
        device="cpu",
        encoder="~/models/unixcoder",
        ranker="hub:me/ranker",
        max_file_size=2 * 1024**2,
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("limt = 3", "c.toml: unknown key limt", "did you mean limit?"),
        ("max-file-size = 3", "c.toml: unknown key max-file-size", "did you mean max_file_size?"),
        ("zzz = 3", "c.toml: unknown key zzz", "known keys: limit, format"),
        ("limit = 0", "c.toml: limit is 0, wanted a whole number from 1 to 1000", "fix it in c.toml"),
        ("limit = true", "c.toml: limit is True, wanted a whole number", "fix it"),
        ('limit = "3"', "c.toml: limit is '3', wanted a whole number", "fix it"),
        ('format = "jsn"', "c.toml: format is 'jsn', wanted one of terminal", 'did you mean format = "json"?'),
        ("format = 1", "c.toml: format is 1, wanted one of", "fix it"),
        ('device = "cude"', "c.toml: device is 'cude'", 'did you mean device = "cuda"?'),
        ("rerank = 1", "c.toml: rerank is 1, wanted true or false", "fix it"),
        ("min_score = 1.5", "c.toml: min_score is 1.5, wanted a number from 0 to 1", "fix it"),
        ('encoder = " "', "c.toml: encoder is ' ', wanted a hub id, or a folder from / or ~ on", "fix it"),
        ('ranker = "./here"', "c.toml: ranker is './here', wanted a hub id, or a folder from / or ~ on", "fix it"),
        ('ranker = "a/b/c"', "c.toml: ranker is 'a/b/c', wanted a hub id, or a folder from / or ~ on", "fix it"),
        ('max_file_size = "lots"', "c.toml: max_file_size is 'lots', wanted bytes", "fix it"),
        ("max_file_size = -1", "c.toml: max_file_size is -1", "fix it"),
        ("[search]\nlimit = 3", "c.toml: unknown key search", "known keys"),
        ("limit = ", "cannot read c.toml: not TOML", "fix or remove it: c.toml"),
        ("\udcff", "cannot read c.toml: not TOML", "fix or remove it: c.toml"),
    ],
)
def test_a_wrong_file_is_refused_with_the_remedy(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode("utf-8", "surrogateescape"), source="c.toml")
    assert str(caught.value).startswith(message)
    assert hint in caught.value.hint


def test_a_pipe_in_its_place_is_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.toml")
    with pytest.raises(ConfigError, match="it is a pipe"):
        load_config(tmp_path / "c.toml")


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path)


def test_the_environment_chooses_the_file() -> None:
    assert str(config_path()) == os.environ["CODESEEK_CONFIG"]


@pytest.mark.parametrize(
    ("text", "size"), [("1000", 1000), ("500k", 512_000), ("1M", 1024**2), ("1.5MiB", 1_572_864), ("2GB", 2 * 1024**3)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "0", "1T", "ten", "nan", "inf", "10000000000G"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse_size(text)


def test_the_largest_size_is_one_that_the_catalogue_can_remember() -> None:
    assert parse_size(f"{2**33 - 1}G") < 2**63
    with pytest.raises(ValueError, match="not a size"):
        parse_size(f"{2**33}G")
    with pytest.raises(ConfigError, match="max_file_size is '10000000000G', wanted bytes"):
        parse_config(b'max_file_size = "10000000000G"', source="c.toml")


def test_devices_are_those_of_the_device_module() -> None:
    assert DEVICES == KNOWN_DEVICES


def test_kinds_are_those_of_the_types() -> None:
    assert known_kinds() == [kind.value for kind in Kind]
