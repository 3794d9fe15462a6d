"""The append-only record of a search: one line a trial, on the disk before more are asked for.

The store is the only state of a search. A line that a crash tore off is dropped; anything else
that cannot be read is an error, and nothing is ever deleted for it.
"""

import logging
import os
from pathlib import Path

from ean_search.core.space import Space
from ean_search.core.trial import Trial
from ean_search.utils.registry import UserError

log = logging.getLogger(__name__)


class Store:
    """The trials of one run, in their order."""

    def __init__(self, path: Path, space: Space):
        self.path = path
        self.trials, whole = _read(path, space)
        if path.is_file() and path.stat().st_size > whole:
            log.warning("%s: dropped its last line, which was not written to the end", path)
            os.truncate(path, whole)

    def append(self, trial: Trial) -> None:
        """Add a trial: the system has it, and it outlives this process."""
        with self.path.open("ab") as file:
            file.write(trial.to_json().encode() + b"\n")
        self.trials.append(trial)

    def sync(self) -> None:
        """Wait until all trials are on the disk, and outlive a power cut."""
        if self.path.is_file():
            with self.path.open("ab") as file:
                os.fsync(file.fileno())


def read_trials(path: Path, space: Space) -> list[Trial]:
    """Read the trials of a store, which may be in use, and change nothing."""
    return _read(path, space)[0]


def _read(path: Path, space: Space) -> tuple[list[Trial], int]:
    """Return the trials, and how many bytes of the file are good."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    trials: list[Trial] = []
    whole = 0
    for number, line in enumerate(lines, 1):
        try:
            if not line.endswith(b"\n"):
                raise UserError("the line has no end")
            trials.append(Trial.from_json(line.decode(), space))
        except (UserError, UnicodeDecodeError) as error:
            if number == len(lines):
                break
            raise UserError(f"{path}, line {number}: {error}. Nothing was changed") from error
        whole += len(line)
    return trials, whole
