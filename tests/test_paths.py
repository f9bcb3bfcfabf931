import os
import stat
from pathlib import Path

import pytest

from codeseek.errors import FileError, UsageError
from codeseek.paths import (
    CATALOGUE_NAME,
    cache_dir,
    encoder_slug,
    find_root,
    index_dir,
    make_private_dir,
    resolve_root,
    safe_name,
)


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CODESEEK_CACHE_DIR", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("CODESEEK_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg/codeseek"


def test_an_index_folder_for_each_root(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    names = [b"a", b"b", b"x/a", b"caf\xe9", b"new\nline", b"..", b"/"]
    folders = {index_dir(tmp_path / os.fsdecode(name)) for name in names}
    assert len(folders) == len(names)
    assert index_dir(tmp_path / "link") == index_dir(tmp_path / "a")
    assert all(folder.name.isascii() and "/" not in folder.name for folder in folders)


def test_names_for_files() -> None:
    assert safe_name("my repo/é") == "my-repo"
    assert safe_name("...") == "root"
    assert encoder_slug("org/model") != encoder_slug("org-model")


def test_find_root(tmp_path: Path) -> None:
    deep = tmp_path / "repository/src/deep"
    deep.mkdir(parents=True)
    assert find_root(deep) == deep
    (tmp_path / "repository/.git").mkdir()
    assert find_root(deep) == tmp_path / "repository"
    (deep / "a.py").touch()
    assert find_root(deep / "a.py") == tmp_path / "repository"
    (make_private_dir(index_dir(tmp_path)) / CATALOGUE_NAME).touch()
    assert find_root(deep) == tmp_path
    (make_private_dir(index_dir(deep.parent)) / CATALOGUE_NAME).touch()
    assert find_root(deep) == deep.parent


def test_folders_are_private(tmp_path: Path) -> None:
    folder = make_private_dir(tmp_path / "a/b")
    for path in (folder, folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_errors(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot create the folder") as caught:
        make_private_dir(tmp_path / "file/below")
    assert "CODESEEK_CACHE_DIR" in caught.value.hint
    with pytest.raises(FileError):
        make_private_dir(tmp_path / "file")
    with pytest.raises(UsageError, match="no such folder"):
        resolve_root(tmp_path / "nothing")
    assert resolve_root(tmp_path) == tmp_path.resolve()
