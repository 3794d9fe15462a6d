"""Hard limits on proposals, so that no evaluation is spent on placements that break a limit."""

import numpy as np

from ean_search.core.objective import Problem
from ean_search.core.space import Placement


def is_feasible(placement: Placement, problem: Problem) -> bool:
    """Tell whether a placement keeps all limits."""
    return problem.feasible(problem.price(placement))


def drop_until_feasible(
    placement: Placement, problem: Problem, rng: np.random.Generator
) -> Placement:
    """Detach random sites until the placement keeps all limits, or no attention is left.

    Args:
        placement: The placement to start from; it is returned as it is if it keeps the limits.
        problem: The space, the limits and the costs.
        rng: Draws the order of the sites.

    Returns:
        A placement that keeps the limits, or `none` if no such placement was found on the way.
    """
    choices = np.array(placement.choices)
    for site in rng.permutation(np.flatnonzero(choices)):
        if is_feasible(placement, problem):
            break
        choices[site] = 0
        placement = problem.space.placement(choices)
    return placement
