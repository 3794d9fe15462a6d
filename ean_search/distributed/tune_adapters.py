"""How Tune is driven by a search that drives itself: tickets in, results out.

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
    """How a try at a chunk ended: with a result, or with an error."""

    ticket: int
    result: dict[str, Any] | None
    error: str = ""


class PlaceholderSearcher(Searcher):
    """Starts trials that do not know yet what they will evaluate."""

    def __init__(self, workers: int, numbers: "count[int]", most: int):
        super().__init__()
        self.workers, self.numbers, self.left = workers, numbers, most
        self.live: set[str] = set()
        self.lost: set[str] = set()  # trials that wait for another worker; they come first
        self.closed = False

    def suggest(self, trial_id: str) -> dict[str, int] | str | None:
        """Issue a ticket to every idle worker."""
        if self.closed or not self.left:
            return Searcher.FINISHED
        if len(self.live) >= self.workers or self.lost:
            return None
        self.live.add(trial_id)
        self.left -= 1
        return {"ticket": next(self.numbers)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Note that a worker is idle."""
        self.live.discard(trial_id)
        self.lost.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the store is the only state of a search."""

    def restore(self, checkpoint_path: str) -> None:
        """Know nothing of what was before."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune writes its searcher down, and has no use for this one


class ResultCallback(tune.Callback):
    """Collects the ends of trials for whoever waits for them."""

    def __init__(self, every: bool) -> None:
        self.every = every  # report, or only the last of a trial
        self.tickets: PlaceholderSearcher | None = None
        self.ends: queue.Queue[ChunkOutcome | BaseException] = queue.Queue()
        self.retries = 0
        self.seen: set[tuple[str, int]] = set()  # hosts and processes that results came from
        self.staging: Path | None = None  # where Tune puts together what it will store

    def on_trial_result(
        self, iteration: int, trials: list, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Pass on a report."""
        if self.every:
            self._pass(trial, result)

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """Pass on the last report."""
        if not self.every:
            self._pass(trial, trial.last_result)
        self._clear(trial)

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """Pass on why a trial will not start again."""
        self.ends.put(ChunkOutcome(trial.config["ticket"], None, _reason(trial.get_error())))
        self._clear(trial)

    def on_trial_recover(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """Pass on that a trial lost its worker; it starts again on another."""
        self.retries += 1
        self.tickets.lost.add(trial.trial_id)
        self.ends.put(ChunkOutcome(trial.config["ticket"], None, _reason(trial.get_error())))

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """Note that a trial has a worker."""
        self.tickets.lost.discard(trial.trial_id)

    def _pass(self, trial: Any, result: dict[str, Any]) -> None:
        self.seen.add((result["node_ip"], result["pid"]))
        self.ends.put(ChunkOutcome(trial.config["ticket"], result))

    def _clear(self, trial: Any) -> None:
        """Remove the files of a trial that has ended: there may be thousands."""
        self.staging = Path(trial.local_path).parent
        shutil.rmtree(trial.local_path, ignore_errors=True)
        if trial.checkpoint is not None:
            trial.checkpoint.filesystem.delete_dir(trial.checkpoint.path)

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _reason(error: BaseException) -> str:
    """Return what went wrong in a worker, without Ray's frames around it."""
    return first_line(getattr(error, "cause", None) or error)
