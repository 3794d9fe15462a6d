"""Placement search as a Gymnasium environment: one step, one placement, one reward.

An episode has a single step. Its action is a placement: the choice of every site. Its reward is
that of the objective. There is nothing to observe, so the observation is constant. The environment
is for reinforcement-learning libraries; the package's own searchers run in the search loop, which
logs trials and resumes.

Gymnasium knows it as `ean_search:ean_search/Placement-v0`, or without the first part where
`ean_search` was imported. `gymnasium.make("ean_search:ean_search/Placement-v0",
table="mine.parquet")` takes rewards from a table; instead of a table, you can give a problem and a
function that evaluates placements. As episodes have one step, Gymnasium's usual vector environments
would spend every second step on a reset. `gymnasium.make_vec` with this name uses
`AutoresetMode.SAME_STEP`, in which every step is an evaluation; use it too if you make a vector
environment yourself.
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


def make_action_space(space: Space) -> MultiBinary | MultiDiscrete[np.int8]:
    """Describe placements as actions: one bit per site, or one integer if there are more choices.

    `Placement.to_array` turns a placement into an action; `Space.placement` turns it back.
    """
    if space.choices == 2:
        return MultiBinary(space.sites)
    return MultiDiscrete([space.choices] * space.sites, dtype=np.int8)


class PlacementEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """An environment whose actions are placements and whose episodes have one step.

    Args:
        problem: The space, the objective and the costs.
        evaluate: Returns the accuracy of a placement, in [0, 1], or nan if it cannot be evaluated.
            It is called once per placement, and not for placements that break a limit.
    """

    def __init__(self, problem: Problem, evaluate: Callable[[Placement], float]) -> None:
        self.problem = problem
        self.evaluate = evaluate
        self.action_space = make_action_space(problem.space)
        self.observation_space = Box(0.0, 1.0, shape=(1,), dtype=np.float32)
        self._accuracies: dict[Placement, float] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; return the constant observation and an empty dict."""
        super().reset(seed=seed)
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Evaluate a placement, and end the episode.

        Args:
            action: The choices of the placement, (sites,).

        Returns:
            The constant observation, the reward, True (terminated), False (not truncated), and a
            dict of the placement's text form, its accuracy (None if there is none) and its cost.

        Raises:
            UserError: If the action is no placement of the space.
        """
        placement = self._read_action(action)
        cost = self.problem.price(placement)
        accuracy = self._measure(placement, cost)
        if accuracy is None:
            reward = self.problem.penalty(cost)
        else:
            reward = self.problem.reward(accuracy, cost)
        info = {"placement": str(placement), "accuracy": accuracy, "cost": asdict(cost)}
        return self._observation(), reward, True, False, info

    def _read_action(self, action: Any) -> Placement:
        """Read a placement; an array of other whole numbers, or of truth values, will do, too."""
        space = self.problem.space
        try:
            choices = np.asarray(action)
        except ValueError:  # of rows of several lengths
            choices = np.array("")
        if choices.shape == (space.sites,) and choices.dtype.kind in "biuf":
            known = np.isin(choices, np.arange(space.choices))
            if known.all():
                return space.placement(choices)
        raise UserError(
            f"expected an action of shape ({space.sites},), one choice for each site: "
            f"whole numbers from 0 to {space.choices - 1}; got {_describe_action(action)}"
        )

    def _measure(self, placement: Placement, cost: Cost) -> float | None:
        """Evaluate a placement once; return None if it breaks a limit or cannot be evaluated."""
        if not self.problem.feasible(cost):
            return None
        if placement not in self._accuracies:
            self._accuracies[placement] = float(self.evaluate(placement))
        accuracy = self._accuracies[placement]
        return accuracy if math.isfinite(accuracy) else None

    def _observation(self) -> np.ndarray:
        return np.zeros(1, dtype=np.float32)


def _describe_action(action: Any) -> str:
    """Describe an action by its shape, if it has one, and by what is in it."""
    values = " ".join(repr(action).split())
    shape = f"shape {action.shape}: " if isinstance(action, np.ndarray) else ""
    return shape + (values if len(values) <= 100 else f"{values[:100]}...")


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
    """Make the environment of a table, or of a problem and its evaluation.

    Args:
        table: The name of a shipped table, or the path of a Parquet file.
        seed: Selects the training of a table that is seen; see `PlacementBench`.
        sees: Which accuracies of a table are seen; see `PlacementBench`.
        objective: The objective; by default, that of the table's experiment.
        limits: The limits; by default, those of the table's experiment.
        problem: The space, objective and costs, if there is no table.
        evaluate: Returns the accuracy of a placement, if there is no table.

    Raises:
        UserError: If there is neither a table nor a problem with its evaluation, or both.
    """
    if table is not None and problem is None and evaluate is None:
        bench = PlacementBench(table, seed, sees, objective, limits)
        return PlacementEnv(bench.problem, bench.accuracy)
    if table is None and problem is not None and evaluate is not None:
        return PlacementEnv(problem, evaluate)
    raise UserError("expected a table, or a problem and what evaluates its placements")


def make_vector_env(num_envs: int = 1, **options: Any) -> SyncVectorEnv:
    """Make a vector environment in which every step is an evaluation.

    Args:
        num_envs: The number of environments.
        options: Keyword arguments of `make_env`.
    """
    makers = [partial(make_env, **options)] * num_envs
    return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
