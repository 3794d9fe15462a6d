"""Where a search stands, as a word with its figures: the best so far, the front, the policy."""

from collections.abc import Sequence

import numpy as np

from ean_search.core.pareto import GrowingFront
from ean_search.core.trial import Trial
from ean_search.utils.progress import ProgressMessage


class SearchStatus:
    """Takes note of trials as they are told."""

    def __init__(self, axis: str) -> None:
        self.axis = axis  # of the front's costs
        self.best: Trial | None = None  # of the highest reward
        self.front = GrowingFront()

    def add(self, trials: Sequence[Trial]) -> None:
        """Take in a cohort's trials, of which some may be known."""
        for trial in trials:
            if trial.status != "done":
                continue
            if self.best is None or trial.reward > self.best.reward:
                self.best = trial
            self.front.add(trial.cost.on(self.axis), trial.accuracy)

    def describe(self, trials: Sequence[Trial], entropy: float | None) -> ProgressMessage:
        """Say where the search stands after a cohort; the entropy is that of a policy."""
        if self.best is None:
            return ProgressMessage("")
        best, size = self.best, len(self.front.points)
        figures = {"best_accuracy": best.accuracy, "best_reward": best.reward}
        figures |= {"front": size, "hypervolume": self.front.volume()}
        measured = [trial for trial in trials if trial.accuracy is not None]
        if measured:
            figures["accuracy"] = float(np.mean([trial.accuracy for trial in measured]))
            figures["reward"] = float(np.mean([trial.reward for trial in measured]))
        if entropy is not None:
            figures["entropy"] = entropy
        text = f"best {best.placement}, accuracy {best.accuracy:.4f}, front of {size}"
        return ProgressMessage(text, figures, str(best.placement))
