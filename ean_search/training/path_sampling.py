"""Which placements a training step of the weight-sharing network trains.

The rules are compared in `experiments/README.md`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ean_search.core.space import Placement, Space
from ean_search.utils.errors import unknown_name

Draw = Callable[[Space, np.random.Generator], list[Placement]]


@dataclass(frozen=True)
class PathSampler:
    """A rule that draws the placements of a training step.

    Attributes:
        draw: Draws the placements, from a space and a generator.
        teacher: Whether the first placement may teach the others: they learn its outputs.
    """

    draw: Draw
    teacher: bool = False


def bernoulli(space: Space, rng: np.random.Generator) -> list[Placement]:
    """Attach at every site with probability one half (EAN, arXiv 2011.14058)."""
    attached = rng.random(space.sites) < 0.5
    return [space.placement(np.where(attached, rng.integers(1, space.choices, space.sites), 0))]


def uniform_count(space: Space, rng: np.random.Generator) -> list[Placement]:
    """Draw every number of attachments equally often, so that sparse placements train too."""
    return [space.sample(rng)]


def complement(space: Space, rng: np.random.Generator) -> list[Placement]:
    """Draw a set in which every site takes every choice once (FairNAS, arXiv 1907.01845)."""
    first = np.array(space.sample(rng).choices)
    return [space.placement((first + shift) % space.choices) for shift in range(space.choices)]


def sandwich(space: Space, rng: np.random.Generator) -> list[Placement]:
    """Draw one placement with all sites, one with none, and two others (BigNAS, 2003.11142)."""
    full = space.sample(rng, attached=space.sites)
    return [full, space.named["none"], space.sample(rng), space.sample(rng)]


PATH_SAMPLERS = {
    "bernoulli": PathSampler(bernoulli),
    "uniform-count": PathSampler(uniform_count),
    "complement": PathSampler(complement),
    "sandwich": PathSampler(sandwich, teacher=True),
}


def find_path_sampler(name: str) -> PathSampler:
    """Return a path sampler by its name.

    Raises:
        UserError: If there is none of this name.
    """
    if name not in PATH_SAMPLERS:
        raise unknown_name("sampler", name, PATH_SAMPLERS)
    return PATH_SAMPLERS[name]
