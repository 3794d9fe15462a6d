"""Where plug-ins are imported from: the user's folder, and never a folder that is data.

A run folder may come from a stranger, and may hold a `jinja2.py`. So the current folder is on the
import path only while a plug-in that the user named is imported, and last of all afterwards; a
folder that was opened as a run or a training is not on it at all.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A folder with the first file of a row and any of the others is a run's or a training's.
MARKS = (
    ("experiment.yaml", ("provenance.json", "costs.json", "trials.jsonl", "summary.json")),
    ("training.json", ("training.json",)),
)
_data_folders: set[Path] = set()  # opened by this process
_plugin_folders: list[str] = []  # of this process's user


def is_data_folder(folder: Path) -> bool:
    """Say whether a folder is, or lies in, that of a run or of a training."""
    folders = (folder.resolve(), *folder.resolve().parents)
    return any(each in _data_folders or _has_marks(each) for each in folders)


def treat_as_data(folder: Path) -> None:
    """Keep modules in a folder from being imported, from now on."""
    _data_folders.add(folder.resolve())
    _clean_path()


def find_plugins_in(folder: Path) -> None:
    """Let plug-ins that the user names be imported from a folder, unless it is data.

    Python's own entries for the current folder are removed if that is data, and programs that this
    process starts do not add it either.
    """
    _plugin_folders[:] = [str(folder.resolve())]
    _clean_path()
    if is_data_folder(folder):
        os.environ["PYTHONSAFEPATH"] = "1"


@contextmanager
def plugin_path() -> Iterator[None]:
    """Put the user's folder first on the import path in the block, and last from then on."""
    folders = [f for f in _plugin_folders if f not in sys.path and not is_data_folder(Path(f))]
    sys.path[:0] = folders
    try:
        yield
    finally:
        for folder in folders:
            sys.path.remove(folder)
            sys.path.append(folder)


def _clean_path() -> None:
    """Remove the current folder, and folders that were opened as data, if they are data."""
    here = Path.cwd()

    def is_harmless(entry: str) -> bool:
        folder = Path(entry or ".").resolve()
        return folder not in _data_folders and (folder != here or not is_data_folder(here))

    sys.path[:] = [entry for entry in sys.path if is_harmless(entry)]


def _has_marks(folder: Path) -> bool:
    return any(
        (folder / first).is_file() and any((folder / other).is_file() for other in others)
        for first, others in MARKS
    )
