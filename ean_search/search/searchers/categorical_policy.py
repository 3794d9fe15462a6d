"""One independent categorical a site: what the controllers' policies have in common.

A policy is an array of probabilities (sites, choices); its rows add up to one. How it is learnt
is each controller's own affair.
"""

from collections.abc import Sequence

import numpy as np

from ean_search.core.space import Placement, Space
from ean_search.search.gym_env import decode, encode


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def draw(space: Space, probabilities: np.ndarray, rng: np.random.Generator) -> Placement:
    """Draw every site's choice from its own probabilities."""
    thresholds = probabilities.cumsum(axis=1)[:, :-1]  # rounding cannot fall off the last choice
    return decode(space, (rng.random((space.sites, 1)) > thresholds).sum(axis=1))


def most_likely(space: Space, probabilities: np.ndarray) -> Placement:
    """Take every site's likeliest choice."""
    return decode(space, probabilities.argmax(axis=1))


def one_hot(space: Space, placements: Sequence[Placement]) -> np.ndarray:
    """Mark the choices made: (placements, sites, choices)."""
    return np.eye(space.choices)[np.stack([encode(placement) for placement in placements])]


def mean_entropy(probabilities: np.ndarray) -> float:
    """Average the sites' entropies, in nats: log(choices) at the start, 0 when all is settled."""
    logs = np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
    return float(-(probabilities * logs).sum(axis=1).mean())
