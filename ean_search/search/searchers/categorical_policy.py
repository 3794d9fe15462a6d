"""Categorical policies: one independent categorical distribution per site.

A policy is an array of probabilities, (sites, choices), whose rows add up to 1. The controllers
`ean` and `reinforce` share these functions; each learns its policy in its own way.
"""

from collections.abc import Sequence

import numpy as np

from ean_search.core.space import Placement, Space


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities, both (sites, choices)."""
    weights: np.ndarray = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def sample_placement(
    space: Space, probabilities: np.ndarray, rng: np.random.Generator
) -> Placement:
    """Draw the choice of each site from its own probabilities."""
    # Without the last threshold, so that rounding cannot give a choice beyond the last one.
    thresholds = probabilities.cumsum(axis=1)[:, :-1]
    return space.placement((rng.random((space.sites, 1)) > thresholds).sum(axis=1))


def most_likely_placement(space: Space, probabilities: np.ndarray) -> Placement:
    """Return the placement that takes the most likely choice of each site."""
    return space.placement(probabilities.argmax(axis=1))


def one_hot(space: Space, placements: Sequence[Placement]) -> np.ndarray:
    """Return the choices of placements as one-hot vectors, (placements, sites, choices)."""
    choices = np.stack([placement.to_array() for placement in placements])
    return np.asarray(np.eye(space.choices)[choices])


def mean_entropy(probabilities: np.ndarray) -> float:
    """Return the mean entropy of the sites, in nats: at most log(choices), and 0 if all is certain.

    Args:
        probabilities: A policy, (sites, choices).
    """
    logs = np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
    return float(-(probabilities * logs).sum(axis=1).mean())
