"""Keeping hard limits while proposing, so that no evaluation is spent on what cannot qualify."""

import numpy as np

from ean_search.objective import Problem
from ean_search.space import Placement


def thinned(placement: Placement, problem: Problem, rng: np.random.Generator) -> Placement:
    """Detach sites at random until the limits hold; give up on limits that this cannot meet."""
    choices, candidate = np.array(placement.choices), placement
    attached = list(rng.permutation(np.flatnonzero(choices)))
    while attached and not problem.feasible(problem.price(candidate)):
        choices[attached.pop()] = 0
        candidate = problem.space.placement(choices)
    return candidate if problem.feasible(problem.price(candidate)) else placement
