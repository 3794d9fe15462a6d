"""The status of a search, for progress reports: its best trial, its front and its policy."""

from collections.abc import Sequence

import numpy as np

from ean_search.core.pareto import GrowingFront
from ean_search.core.trial import Trial
from ean_search.utils.progress import ProgressMessage


class SearchStatus:
    """The best trial and the Pareto front of the trials told so far."""

    def __init__(self, axis: str) -> None:
        self.axis = axis  # the cost axis of the front
        self.best: Trial | None = None  # the trial with the highest reward
        self.front = GrowingFront()

    def add(self, trials: Sequence[Trial]) -> None:
        """Add the trials of a cohort; some may have been added before."""
        for trial in trials:
            if trial.status != "done" or trial.accuracy is None:
                continue
            if self.best is None or trial.reward > self.best.reward:
                self.best = trial
            self.front.add(trial.cost.on(self.axis), trial.accuracy)

    def describe(self, trials: Sequence[Trial], entropy: float | None) -> ProgressMessage:
        """Describe the search after a cohort.

        Args:
            trials: The trials of the cohort.
            entropy: The mean entropy of the searcher's policy; None if it has no policy.

        Returns:
            A text with figures; an empty one if no trial is done yet.
        """
        best, size = self.best, len(self.front.points)
        if best is None or best.accuracy is None:
            return ProgressMessage("")
        figures = {"best_accuracy": best.accuracy, "best_reward": best.reward}
        figures |= {"front": size, "hypervolume": self.front.volume()}
        evaluated = [(t.accuracy, t.reward) for t in trials if t.accuracy is not None]
        if evaluated:
            mean_accuracy, mean_reward = np.mean(evaluated, axis=0)
            figures |= {"accuracy": float(mean_accuracy), "reward": float(mean_reward)}
        if entropy is not None:
            figures["entropy"] = entropy
        text = f"best {best.placement}, accuracy {best.accuracy:.4f}, front of {size}"
        return ProgressMessage(text, figures, str(best.placement))
