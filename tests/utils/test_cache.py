from pathlib import Path

import pytest

from ean_search.utils.files import cache_dir


@pytest.fixture
def no_home(monkeypatch, tmp_path):
    for name in ("EAN_SEARCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    return tmp_path


def test_the_cache_lies_in_the_home_unless_told_otherwise(no_home, monkeypatch):
    assert cache_dir() == no_home / "home/.cache/ean-search"
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_home / "shared"))
    assert cache_dir() == no_home / "shared/ean-search"
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(no_home / "own"))
    assert cache_dir() == no_home / "own"


def test_folders_are_made_on_demand(no_home, monkeypatch):
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(no_home / "own"))
    assert cache_dir("costs", "cpu").is_dir()
    assert cache_dir("costs", "cpu") == no_home / "own/costs/cpu"
