"""Where results that can be made again are kept between runs."""

import os
from pathlib import Path


def cache_dir(*parts: str) -> Path:
    """Return a folder of the cache, made on demand.

    It lies in $EAN_SEARCH_CACHE, else in $XDG_CACHE_HOME/ean-search, else in ~/.cache/ean-search.
    """
    home = os.environ.get("EAN_SEARCH_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home or Path(shared) / "ean-search").joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
