"""Placement search as a Gymnasium environment: one step, one placement, one reward.

An episode is a single action, an attention chosen for every site, and its reward is the
objective's. There is nothing to observe, so the observation is constant: a bandit in Gymnasium's
clothes, there for other people's reinforcement learning. The package's own controllers share its
action space (`encode`, `decode`) but run in the search loop, which remembers, stores and resumes;
nothing of that is done here.

Gymnasium knows it as `ean_search/Placement-v0`: `gymnasium.make("ean_search/Placement-v0",
table="mine.parquet")` pays what a table says, and with a problem and a function of yours in the
table's place, anything. With one-step episodes Gymnasium's usual vector environments make every
second step a reset; `gymnasium.make_vec` of this name takes `AutoresetMode.SAME_STEP`, in which
every step is an evaluation, and so should you where you make one yourself.
"""

import math
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.spaces import Box, MultiBinary, MultiDiscrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ean_search.core.objective import Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.utils.errors import UserError


def action_space(space: Space) -> MultiBinary | MultiDiscrete:
    """Describe placements as actions: a bit a site, or a number where there are more choices."""
    if space.choices == 2:
        return MultiBinary(space.sites)
    return MultiDiscrete([space.choices] * space.sites, dtype=np.int8)


def encode(placement: Placement) -> np.ndarray:
    """Write a placement as an action."""
    return np.array(placement.choices, dtype=np.int8)


def decode(space: Space, action: np.ndarray) -> Placement:
    """Read an action as a placement."""
    return space.placement(action)


class PlacementEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Choose an attention for every site at once, and be paid for it."""

    def __init__(self, problem: Problem, evaluate: Callable[[Placement], float]) -> None:
        self.problem = problem
        self.evaluate = evaluate
        self.action_space = action_space(problem.space)
        self.observation_space = Box(0.0, 1.0, shape=(1,), dtype=np.float32)
        self._accuracies: dict[Placement, float] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Evaluate the placement that the action stands for, and end the episode."""
        placement = decode(self.problem.space, action)
        cost = self.problem.price(placement)
        accuracy = self._measure(placement, cost)
        if accuracy is None:
            reward = self.problem.penalty(cost)
        else:
            reward = self.problem.reward(accuracy, cost)
        info = {"placement": str(placement), "accuracy": accuracy, "cost": asdict(cost)}
        return self._observation(), reward, True, False, info

    def _measure(self, placement: Placement, cost: Cost) -> float | None:
        """Evaluate a placement once; give none if it breaks a limit or its evaluation failed."""
        if not self.problem.feasible(cost):
            return None
        if placement not in self._accuracies:
            self._accuracies[placement] = float(self.evaluate(placement))
        accuracy = self._accuracies[placement]
        return accuracy if math.isfinite(accuracy) else None

    def _observation(self) -> np.ndarray:
        return np.zeros(1, dtype=np.float32)


def make_env(
    table: str | None = None,
    *,
    seed: int = 0,
    sees: Literal["mean", "one"] = "mean",
    objective: str | None = None,
    limits: str | None = None,
    problem: Problem | None = None,
    evaluate: Callable[[Placement], float] | None = None,
) -> PlacementEnv:
    """Make the environment of a table, seen as `Table` says, or of a problem and its evaluation."""
    if table is not None and problem is None and evaluate is None:
        tabled = PlacementBench(table, seed, sees, objective, limits)
        return PlacementEnv(tabled.problem, tabled.accuracy)
    if table is None and problem is not None and evaluate is not None:
        return PlacementEnv(problem, evaluate)
    raise UserError("expected a table, or a problem and what evaluates its placements")


def make_vector_env(num_envs: int = 1, **options: Any) -> SyncVectorEnv:
    """Make environments side by side, in which every step is an evaluation."""
    makers = [partial(make_env, **options)] * num_envs
    return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
