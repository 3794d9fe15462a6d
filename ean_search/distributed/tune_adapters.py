"""How Tune is driven by a search that drives itself: placeholder trials in, results out.

To Tune this is a searcher that always has another trial, as many at a time as there are workers,
and a callback that passes on how they ended.
"""

import queue
import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from ean_search.utils.errors import first_line


@dataclass(frozen=True)
class ChunkOutcome:
    """How an attempt at a chunk ended: with a result, or with an error."""

    ticket: int  # number of the placeholder trial
    result: dict[str, Any] | None
    error: str = ""


class PlaceholderSearcher(Searcher):
    """Starts trials that do not know yet what they will evaluate.

    Args:
        workers: Most trials at a time.
        tickets: Yields the numbers of the trials.
        max_trials: Most trials in all.
    """

    def __init__(self, workers: int, tickets: "count[int]", max_trials: int):
        super().__init__()
        self.workers, self.tickets, self.trials_left = workers, tickets, max_trials
        self.live: set[str] = set()
        self.lost: set[str] = set()  # trials that wait for another worker; they come first
        self.closed = False

    def suggest(  # type: ignore[override]  # Ray's annotation leaves out FINISHED
        self, trial_id: str
    ) -> dict[str, int] | str | None:
        """Give every idle worker a placeholder."""
        if self.closed or not self.trials_left:
            return Searcher.FINISHED
        if len(self.live) >= self.workers or self.lost:
            return None
        self.live.add(trial_id)
        self.trials_left -= 1
        return {"ticket": next(self.tickets)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Note that a worker is idle."""
        self.live.discard(trial_id)
        self.lost.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the trial log is the only state of a search."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune writes its searcher to disk, where nobody needs this one


class ResultCallback(tune.Callback):
    """Collects how trials end, for a thread that waits for them.

    Args:
        searcher: The searcher of the running Tuner.
        every_report: Whether each report of a trial is a result, or only the last one.
    """

    def __init__(self, searcher: PlaceholderSearcher, *, every_report: bool) -> None:
        self.searcher = searcher
        self.every_report = every_report
        self.outcomes: queue.Queue[ChunkOutcome | BaseException] = queue.Queue()
        self.retries = 0
        self.worker_processes: set[tuple[str, int]] = set()  # hosts and ids that gave results
        self.staging_folder: Path | None = None  # where Tune puts together what it will store

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Any],
        trial: Any,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """Pass on a report."""
        if self.every_report:
            self._pass_result(trial, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on the last report."""
        if not self.every_report:
            self._pass_result(trial, trial.last_result)
        self._remove_files(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on why a trial will not start again."""
        self._pass_error(trial)
        self._remove_files(trial)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on that a trial lost its worker; it starts again on another."""
        self.retries += 1
        self.searcher.lost.add(trial.trial_id)
        self._pass_error(trial)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note that a trial has a worker."""
        self.searcher.lost.discard(trial.trial_id)

    def _pass_result(self, trial: Any, result: dict[str, Any]) -> None:
        self.worker_processes.add((result["node_ip"], result["pid"]))
        self.outcomes.put(ChunkOutcome(trial.config["ticket"], result))

    def _pass_error(self, trial: Any) -> None:
        error = trial.get_error()
        # The cause is what went wrong in the worker, without Ray's frames around it.
        reason = first_line(getattr(error, "cause", None) or error)
        self.outcomes.put(ChunkOutcome(trial.config["ticket"], None, reason))

    def _remove_files(self, trial: Any) -> None:
        """Remove the files of a trial that has ended: there may be thousands."""
        self.staging_folder = Path(trial.local_path).parent
        shutil.rmtree(trial.local_path, ignore_errors=True)
        if trial.checkpoint is not None:
            trial.checkpoint.filesystem.delete_dir(trial.checkpoint.path)

    def __getstate__(self) -> dict[str, Any]:
        return {}
