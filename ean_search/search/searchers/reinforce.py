"""Reinforcement learning with a model: policies learn in imagination, and few proposals are tried.

REINFORCE as published needs hundreds of evaluations, because it learns from each one only once.
This controller learns a model of all accuracies so far. For each cohort, it draws functions from
the model's posterior, and lets policies learn on what these promise. The most likely placements of
the policies, and some neighbours of the best placement so far, are the candidates; the cohort is
those with the greatest expected improvement.

The *posterior policy* is the mean of the best policy of each function: the probability that a
choice belongs to the best placement, as far as the controller knows.

With `front`, the goal is the whole front of accuracy against the objective's weighted costs: each
function gets a weight of the costs of its own, and candidates are compared by how much they can add
to the hypervolume.
"""

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt

from ean_search.core.objective import Problem
from ean_search.core.pareto import front_mask
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.categorical_policy import mean_entropy, most_likely_placement
from ean_search.search.searchers.constraints import drop_until_feasible
from ean_search.search.searchers.expected_improvement import FrontGoal, RewardGoal
from ean_search.search.searchers.forecast import Goal
from ean_search.search.searchers.imagination import imagine
from ean_search.search.searchers.model_searcher import ModelSearcher
from ean_search.utils.errors import UserError

MAX_NEIGHBOURS = 32  # among the candidates of a cohort
POLICY_MEMORY = 0.8  # the share of the posterior policy that stays from one cohort to the next


class Reinforce(ModelSearcher):
    """Let policies learn on functions that could explain all accuracies so far.

    Args:
        problem: The space, the objective and the costs.
        initial: The number of accuracies to know before the model is used; before that, proposals
            are random.
        draws: The number of functions that are drawn for each proposal.
        starts: The number of policies that learn on each function.
        spread: The size of the random deviation of a function: 0 uses the mean of the posterior, 1
            is Thompson sampling.
        front: Whether to look for the front of accuracy against costs, not for the best reward.
    """

    cohort = 2

    def __init__(
        self,
        problem: Problem,
        *,
        initial: PositiveInt = 6,
        draws: PositiveInt = 2,
        starts: PositiveInt = 4,
        spread: NonNegativeFloat = 0.8,
        front: bool = False,
    ) -> None:
        super().__init__(problem, initial)
        if front and not problem.objective.weights:
            raise UserError("front=true needs an objective with costs, like 'accuracy - 1 latency'")
        self._draws, self._starts, self._spread = draws, starts, spread
        self.multi_objective = front
        self._policy = np.full(self.penalties.shape, 1 / self.space.choices)

    def probabilities(self) -> np.ndarray:
        """Return the posterior policy, (sites, choices)."""
        return self._policy.copy()

    @property
    def entropy(self) -> float:
        """Return the mean entropy of the sites, in nats."""
        return mean_entropy(self._policy)

    def best_guess(self) -> Placement:
        """Return the placement with the most likely choice of each site."""
        return most_likely_placement(self.space, self._policy)

    def propose(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose the candidates that promise most."""
        candidates = self._imagine_candidates(n, rng)
        candidates |= dict.fromkeys(self._sample_neighbours(rng))
        new = [placement for placement in candidates if self.filter.accepts(placement)]
        chosen = self._choose(n, new) if new else []
        self.filter.mark_seen(chosen)
        return chosen + [self.filter.sample_new(rng) for _ in range(n - len(chosen))]

    def _imagine_candidates(self, n: int, rng: np.random.Generator) -> dict[Placement, None]:
        """Let policies learn on functions; return their most likely placements within limits."""
        count = self._draws * n
        functions = self.model.draw(rng, np.full(count, self._spread))
        weights = self._cost_weights(count, rng)
        imagined = imagine(functions, weights[:, None, None] * self.penalties, self._starts, rng)
        policy = imagined.best_policies().mean(axis=0)
        self._policy = POLICY_MEMORY * self._policy + (1 - POLICY_MEMORY) * policy
        modes = np.unique(imagined.modes.reshape(-1, self.space.sites), axis=0)
        placements = (self.space.placement(mode) for mode in modes)
        return dict.fromkeys(drop_until_feasible(p, self.problem, rng) for p in placements)

    def _cost_weights(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return what the costs weigh for each function: 1, or a random slope of the front."""
        if not self.multi_objective:
            return np.ones(count)
        costs, accuracies = np.transpose(self._points())
        slope = np.ptp(accuracies) / (np.ptp(costs) or 1.0)
        return np.asarray(slope * np.tan(rng.uniform(0, np.pi / 2, size=count)))

    def _sample_neighbours(self, rng: np.random.Generator) -> list[Placement]:
        """Draw placements that differ from one of the best at one site."""
        best = self._best_trials()
        sites, choices = self.space.sites, self.space.choices
        changes = len(best) * sites * (choices - 1)
        drawn = rng.permutation(changes)[:MAX_NEIGHBOURS]
        numbers, changed, shifts = np.unravel_index(drawn, (len(best), sites, choices - 1))
        starts = np.array([trial.placement.choices for trial in best])[numbers]
        rows = np.arange(len(drawn))
        starts[rows, changed] = (starts[rows, changed] + 1 + shifts) % choices
        return [self.space.placement(start) for start in starts]

    def _best_trials(self) -> list[Trial]:
        """Return the trial with the highest expected reward, or those of the front."""
        if not self.multi_objective:
            return [self.measured[int(self.expected_rewards().argmax())]]
        on_front = front_mask(np.array(self._points()) * [1, -1])
        return [t for t, mark in zip(self._within_limits(), on_front, strict=True) if mark]

    def _choose(self, n: int, candidates: list[Placement]) -> list[Placement]:
        forecast = self.model.forecast(np.array([p.choices for p in candidates]))
        costs = np.array([self._cost(placement) for placement in candidates])
        return [candidates[i] for i in forecast.choose(min(n, len(candidates)), self._goal(costs))]

    def _goal(self, costs: np.ndarray) -> Goal:
        if not self.multi_objective:
            return RewardGoal(float(self.expected_rewards().max()), costs)
        return FrontGoal(self._points(), costs)

    def _points(self) -> list[tuple[float, float]]:
        """Return what costs take, and accuracies, of the trials that a front may have."""
        return [(self._cost(t.placement), t.accuracy or 0.0) for t in self._within_limits()]

    def _within_limits(self) -> list[Trial]:
        return [t for t in self.measured if t.status != "infeasible"] or self.measured

    def _cost(self, placement: Placement) -> float:
        """Return what the costs of a placement take from its reward."""
        return -self.problem.reward(0.0, self.problem.price(placement))
