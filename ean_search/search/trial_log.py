"""The append-only log of a search: one line per trial, on the disk before the next cohort.

The log is the only state of a search. If a crash left the last line incomplete, that line is
dropped. Any other line that cannot be read is an error, and then the file is not changed.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from ean_search.core.answers import Answers
from ean_search.core.score import ACCURACY, Score
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Trial
from ean_search.search.answer_log import answers_file, append_answers, sync_answers
from ean_search.utils.errors import UserError
from ean_search.utils.files import write_atomically
from ean_search.utils.jsonl import LogRows, read_log
from ean_search.utils.safe_paths import append, open_to_append

log = logging.getLogger(__name__)


class TrialLog:
    """The trials of one search, in their order, and the file that stores them.

    Args:
        path: The file; it is created with the first trial.
        space: The space of the trials.
        score: What is measured.

    Raises:
        UserError: If a line of the file cannot be read; an incomplete last line is dropped instead.
    """

    def __init__(self, path: Path | str, space: Space, score: Score = ACCURACY) -> None:
        self.path, self.score = Path(path), score
        path = self.path
        rows = _read(path, space, score)
        self.trials = rows.rows
        if path.is_file() and path.stat().st_size > rows.complete_bytes:
            log.warning("%s: dropped its last line, which was not written to the end", path)
            os.truncate(path, rows.complete_bytes)

    def append(self, trial: Trial, answers: Answers | None = None) -> None:
        """Add a trial; it is in the file even if this process is killed right afterwards.

        Args:
            trial: The trial.
            answers: The answers behind its accuracy, if there are any.
        """
        if answers is not None:
            append_answers(answers_file(self.path), trial.placement, answers)
        append(self.path, trial.to_json(self.score).encode() + b"\n")
        self.trials.append(trial)

    def sync(self) -> None:
        """Wait until all trials are on the disk, so that they survive a power failure."""
        sync_answers(answers_file(self.path))
        if self.path.is_file():
            with open_to_append(self.path) as file:
                os.fsync(file.fileno())


class InMemoryTrialLog(TrialLog):
    """A trial log without a file."""

    def __init__(self, trials: Sequence[Trial] = (), path: Path = Path("memory")) -> None:
        self.path, self.trials = path, list(trials)

    def append(self, trial: Trial, answers: Answers | None = None) -> None:
        """Add a trial; its answers are not kept."""
        self.trials.append(trial)

    def sync(self) -> None:
        """Do nothing; there is no file."""


def read_trials(path: Path, space: Space, score: Score = ACCURACY) -> list[Trial]:
    """Read the trials of a log that a search may be writing; do not change the file."""
    return _read(path, space, score).rows


def drop_last_step(path: Path, space: Space, score: Score = ACCURACY) -> None:
    """Drop the trials of a log's last cohort; those of the named placements stay.

    Args:
        path: The file.
        space: The space of the trials.
        score: What is measured.
    """
    trials = read_trials(path, space, score)
    last = trials[-1].step if trials else 0
    kept = sum(trial.step < last for trial in trials)
    if last:
        lines = path.read_bytes().splitlines(keepends=True)[:kept]
        write_atomically(path, lambda part: part.write_bytes(b"".join(lines)))


def _read(path: Path, space: Space, score: Score) -> LogRows[Trial]:
    seen: dict[Placement, int] = {}

    def parse(line: str) -> Trial:
        trial = Trial.from_json(line, space, score)
        if trial.number != len(seen):
            raise UserError(f"number: expected {len(seen)}, got {trial.number}")
        if trial.placement in seen:
            raise UserError(
                f"placement: {trial.placement} is that of trial {seen[trial.placement]}"
            )
        seen[trial.placement] = trial.number
        return trial

    return read_log(path, parse)
