"""Keeping hard limits while proposing, so that no evaluation is spent on what cannot qualify."""

import numpy as np

from ean_search.core.objective import Problem
from ean_search.core.space import Placement


def is_feasible(placement: Placement, problem: Problem) -> bool:
    """Say whether a placement keeps all limits."""
    return problem.feasible(problem.price(placement))


def drop_until_feasible(
    placement: Placement, problem: Problem, rng: np.random.Generator
) -> Placement:
    """Detach sites at random until the limits hold, or none is left."""
    choices = np.array(placement.choices)
    for site in rng.permutation(np.flatnonzero(choices)):
        if is_feasible(placement, problem):
            break
        choices[site] = 0
        placement = problem.space.placement(choices)
    return placement
