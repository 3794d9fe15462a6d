import pytest


@pytest.fixture
def cache_folder(monkeypatch, tmp_path):
    """Give the test an empty cache folder of its own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(folder))
    return folder
