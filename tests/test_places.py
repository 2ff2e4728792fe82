"""Where files of the library lie on each platform."""

import sys
from pathlib import Path

import pytest

from funclearn import _places


@pytest.mark.parametrize(
    "platform_variables_folder",
    [
        ("linux", {}, "/home/ada/.cache/funclearn"),
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/funclearn"),
        ("linux", {"XDG_CACHE_HOME": "caches"}, "/home/ada/.cache/funclearn"),
        ("darwin", {}, "/home/ada/Library/Caches/funclearn"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/funclearn"),
        ("win32", {}, "/home/ada/AppData/Local/funclearn"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths of Unix")
def test_each_platform_has_its_cache(monkeypatch, platform_variables_folder):
    platform, variables, folder = platform_variables_folder
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ada", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert _places.cache_folder() == Path(folder)


def test_a_user_without_a_home_is_an_error_of_files(monkeypatch):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(Path, "home", unknown)
    with pytest.raises(FileNotFoundError, match="no home folder is known"):
        _places.cache_folder()
