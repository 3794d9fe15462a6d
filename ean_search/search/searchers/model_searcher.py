"""What searchers with the pairwise model share: what they remember of trials, and their start."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.local_search import neighbours
from ean_search.search.searchers.pairwise_model import PairwiseModel
from ean_search.search.searchers.proposal_filter import ProposalFilter

MIN_TRIALS = 2  # to know a standard deviation


class ModelSearcher(Searcher):
    """A searcher that models all accuracies told; the first few proposals are random.

    The model predicts only accuracy. The costs of placements are known, so that the reward and the
    limits are exact. Placements that break a limit teach, too. No placement is proposed twice.

    Args:
        problem: The space, the objective and the costs.
        initial: The number of accuracies to know before the model is used.
    """

    def __init__(self, problem: Problem, initial: int) -> None:
        self.problem, self.space, self.filter = problem, problem.space, ProposalFilter(problem)
        self.model = PairwiseModel(problem.space.sites, problem.space.choices)
        self.penalties = attachment_penalties(problem)
        self._initial = max(initial, MIN_TRIALS)
        self._measured: dict[Placement, Trial] = {}  # those with an accuracy, in the model's order
        self._is_own: list[bool] = []  # of each trial of the model: whether this run made it
        self._has_errors = False
        self._earlier: Sequence[Trial] = ()  # of another run, until they can be compared

    @abstractmethod
    def propose(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n placements by the model, and mark them as seen."""

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose random placements until enough is known, then those of the model."""
        self._add_earlier()
        num_random = min(n, max(0, self._initial - len(self.model)))
        if num_random and len(self.model) < MIN_TRIALS:
            num_random = n
        cohort = [self.filter.sample_new(rng) for _ in range(num_random)]
        return cohort + (self.propose(n - num_random, rng) if num_random < n else [])

    def tell(self, trials: Sequence[Trial]) -> None:
        """Add the accuracies to the model, also those of placements that break a limit."""
        self.filter.mark_seen(trial.placement for trial in trials)
        new = {
            trial.placement: trial
            for trial in trials
            if trial.accuracy is not None
            and math.isfinite(trial.accuracy)
            and trial.placement not in self._measured
        }
        self._measured |= new
        self._add(list(new.values()))

    def recommend(self, trials: Sequence[Trial]) -> Trial:
        """Return the trial with the highest reward, after the errors that the model removes."""
        expected = dict(zip(self._measured, self.expected_rewards(), strict=True))
        return max(trials, key=lambda trial: expected.get(trial.placement, trial.reward))

    def warm_start(self, trials: Sequence[Trial]) -> None:
        """Use the trials of another run on the same sites.

        They count once placements are known that both runs evaluated, such as the named ones: by
        these, the difference between the runs is subtracted, and its spread is their error.
        """
        self._earlier = [trial for trial in trials if trial.accuracy is not None]

    @property
    def measured(self) -> list[Trial]:
        """Return the trials with an accuracy, in the order in which they were told."""
        return list(self._measured.values())

    def expected_rewards(self) -> np.ndarray:
        """Return the rewards of `measured`, without the errors that the model removes."""
        rewards = np.array([trial.reward for trial in self._measured.values()])
        if self._has_errors:
            smoothed = self.model.smoothed()[self._is_own[-len(self.model) :]]
            latest = self.measured[len(rewards) - len(smoothed) :]
            rewards[-len(smoothed) :] += smoothed - [trial.accuracy for trial in latest]
        return rewards

    def _add_earlier(self) -> None:
        """Add the trials of another run, if any and if they can be compared with this run's."""
        if not self._earlier:
            return
        earlier, self._earlier = self._earlier, ()
        other = {trial.placement: trial.accuracy or 0.0 for trial in earlier}
        pairs = [(t.accuracy or 0.0, other[p]) for p, t in self._measured.items() if p in other]
        if not pairs:
            self._earlier = earlier
            return
        differences = np.array([own - others for own, others in pairs])
        self._add(earlier, float(differences.mean()), float(differences.std()), own=False)

    def _add(
        self, trials: Sequence[Trial], offset: float = 0.0, error: float = 0.0, own: bool = True
    ) -> None:
        if not trials:
            return
        accuracies = np.array([trial.accuracy for trial in trials]) + offset
        errors = np.hypot([trial.standard_error or 0.0 for trial in trials], error)
        self._has_errors |= bool(errors.any()) and own
        self._is_own += [own] * len(trials)
        self.model.add(np.array([t.placement.choices for t in trials]), accuracies, errors)


def attachment_penalties(problem: Problem) -> np.ndarray:
    """Return how much the costs of each choice alone lower the reward, (sites, choices)."""
    space = problem.space
    penalties = np.zeros((space.sites, space.choices))
    for placement in neighbours(space.named["none"], space):
        site = np.flatnonzero(placement.choices)[0]
        penalties[site, placement.choices[site]] = -problem.reward(0.0, problem.price(placement))
    return penalties
