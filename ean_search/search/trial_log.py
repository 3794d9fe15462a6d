"""The append-only log of a search: one line a trial, on the disk before more are asked for.

The log is the only state of a search. A last line that a crash tore is dropped; anything else that
cannot be read is an error, and nothing is ever deleted for it.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from ean_search.core.space import Space
from ean_search.core.trial import Trial
from ean_search.utils.jsonl import Lines, read_log

log = logging.getLogger(__name__)


class TrialLog:
    """The trials of one run, in their order."""

    def __init__(self, path: Path, space: Space):
        self.path = path
        found = _read(path, space)
        self.trials, whole = found.rows, found.whole_bytes
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


class InMemoryTrialLog(TrialLog):
    """Trials that need no file."""

    def __init__(self, trials: Sequence[Trial] = (), path: Path = Path("memory")) -> None:
        self.path, self.trials = path, list(trials)

    def append(self, trial: Trial) -> None:
        """Add a trial."""
        self.trials.append(trial)

    def sync(self) -> None:
        """Wait for nothing."""


def read_trials(path: Path, space: Space) -> list[Trial]:
    """Read the trials of a log, which may be in use, and change nothing."""
    return _read(path, space).rows


def _read(path: Path, space: Space) -> Lines[Trial]:
    return read_log(path, lambda line: Trial.from_json(line, space))
