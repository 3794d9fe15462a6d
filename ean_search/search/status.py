"""The status of a search, for progress reports: its best trial, its front and its policy.

A report has a text, figures, and events for scripts: one event for each new trial, with that
trial's own fields, and one about the search as a whole. `docs/events.schema.json` describes them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ean_search.core.pareto import GrowingFront
from ean_search.core.score import ACCURACY, Score
from ean_search.core.trial import Trial
from ean_search.utils.progress import ProgressMessage


class SearchStatus:
    """The best trial and the Pareto front of the trials told so far.

    Args:
        axis: The cost axis of the front.
        total: The number of trials that the search may take.
        num_logged: How many trials the log had before; they are replayed, not evaluated again.
        score: What is measured.
    """

    def __init__(self, axis: str, total: int, num_logged: int = 0, score: Score = ACCURACY) -> None:
        self.axis, self.total, self.num_logged, self.score = axis, total, num_logged, score
        self.done = 0  # trials of the log that were told
        self.best: Trial | None = None  # the trial with the highest reward
        self.front = GrowingFront()

    def add(self, trials: Sequence[Trial]) -> list[Trial]:
        """Add the trials of a cohort.

        Args:
            trials: The trials; some may have been added before, or not be in the log.

        Returns:
            The trials of the log that had not been added before.
        """
        new = []
        for trial in trials:
            if trial.number >= self.done:  # numbers count up; it is -1 outside the log
                self.done = trial.number + 1
                new.append(trial)
            if trial.status != "done" or trial.accuracy is None:
                continue
            if self.best is None or trial.reward > self.best.reward:
                self.best = trial
            self.front.add(trial.cost.on(self.axis), trial.accuracy)
        return new

    def describe(
        self, trials: Sequence[Trial], new: Sequence[Trial], entropy: float | None
    ) -> ProgressMessage:
        """Describe the search after a cohort.

        Args:
            trials: The trials of the cohort.
            new: Those of them that `add` returned.
            entropy: The mean entropy of the searcher's policy; None if it has no policy.

        Returns:
            The events, and a text with figures, which are empty if no trial is done yet. The
            figures "accuracy" and "reward" are the means of the cohort; "best_accuracy" and
            "best_reward" are those of the best trial.
        """
        events = [self._describe_trial(trial) for trial in new] + [self._describe_state(entropy)]
        best, size = self.best, len(self.front.points)
        if best is None or best.accuracy is None:
            return ProgressMessage("", events=events)
        figures = {"best_accuracy": best.accuracy, "best_reward": best.reward}
        figures |= {"front": size, "hypervolume": self.front.volume()}
        evaluated = [(t.accuracy, t.reward) for t in trials if t.accuracy is not None]
        if evaluated:
            mean_accuracy, mean_reward = np.mean(evaluated, axis=0)
            figures |= {"accuracy": float(mean_accuracy), "reward": float(mean_reward)}
        if entropy is not None:
            figures["entropy"] = entropy
        value = self.score.value(best.accuracy)
        text = f"best {best.placement}, {self.score.name} {value:.4f}, front of {size}"
        return ProgressMessage(text, figures, str(best.placement), events)

    def _describe_trial(self, trial: Trial) -> dict[str, Any]:
        """Return the event of a trial: its line in the log, and whether it was there before."""
        replayed = trial.number < self.num_logged
        return {"event": "trial", **trial.to_fields(self.score), "replayed": replayed}

    def _describe_state(self, entropy: float | None) -> dict[str, Any]:
        """Return the event about the whole search: its best trial, its front and its policy."""
        best = self.best
        return {
            "event": "search_status",
            "task": "search",
            "done": self.done,
            "total": self.total,
            "best_number": best and best.number,
            "best_placement": best and str(best.placement),
            "best_accuracy": best and best.accuracy,
            "best_reward": best and best.reward,
            "front_size": len(self.front.points),
            "hypervolume": float(self.front.volume()),
            "entropy": entropy,
            "replayed": self.done <= self.num_logged,
        }
