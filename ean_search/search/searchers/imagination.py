"""Policies that learn in imagination: from what functions promise, before anything is evaluated.

A policy has one categorical distribution per site. REINFORCE raises the logit of a choice by its
advantage, estimated from sampled placements. Here the advantages are exact, because the imagined
reward is quadratic; and the steps follow the natural gradient, which for a softmax is the advantage
itself. From nearly even policies, such steps end in local optima of a function, and those from
several starts in good ones.

Learning a policy from a model of the reward, https://openreview.net/forum?id=HklxbgBKvr (DyNA-PPO);
REINFORCE, https://doi.org/10.1007/BF00992696; the natural gradient,
https://papers.nips.cc/paper/2073-a-natural-policy-gradient.
"""

from functools import reduce
from typing import NamedTuple

import numpy as np

from ean_search.search.searchers.quadratic import QuadraticFunctions

UPDATES = 25
LEARNING_RATE = 0.8
START_STD = 0.5  # of the first logits
MIN_SCALE = 1e-12


class Imagined(NamedTuple):
    """Policies that learnt from functions, several of each function.

    Attributes:
        policies: Probabilities, (functions, policies, sites, choices).
        modes: The most likely choices, (functions, policies, sites).
        rewards: What the functions promise for the modes, (functions, policies).
    """

    policies: np.ndarray
    modes: np.ndarray
    rewards: np.ndarray

    def best_policies(self) -> np.ndarray:
        """Return the policy with the highest reward of each function."""
        best = self.rewards.argmax(axis=1)
        return np.asarray(self.policies[np.arange(len(best)), best])


def imagine(
    functions: QuadraticFunctions, penalties: np.ndarray, starts: int, rng: np.random.Generator
) -> Imagined:
    """Let policies learn what maximises functions minus penalties.

    Args:
        functions: Accuracies as they could be.
        penalties: What each choice takes from the reward, (functions, sites, choices).
        starts: The number of policies for each function.
        rng: Draws the logits that they start from.
    """
    count, sites, choices = penalties.shape
    even = np.full((count, 1, sites, choices), 1 / choices)
    scale = np.sqrt((_advantages(functions, penalties, even) ** 2).mean(axis=(1, 2, 3)))
    rate = LEARNING_RATE / np.maximum(scale, MIN_SCALE)[:, None, None, None]
    logits = START_STD * rng.normal(size=(count, starts, sites, choices))
    for _ in range(UPDATES):
        logits += rate * _advantages(functions, penalties, _softmax(logits))
    policies = _softmax(logits)
    modes = policies.argmax(axis=3)
    taken = np.take_along_axis(penalties[:, None], modes[..., None], axis=3)
    return Imagined(policies, modes, functions.values(modes) - taken.sum(axis=(2, 3)))


def _advantages(
    functions: QuadraticFunctions, penalties: np.ndarray, policies: np.ndarray
) -> np.ndarray:
    """Return by how much each choice is better than its site's policy."""
    promises = functions.promises(policies) - penalties[:, None]
    return np.asarray(promises - _over_choices(np.add, policies * promises))


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - _over_choices(np.maximum, logits))
    return np.asarray(weights / _over_choices(np.add, weights))


def _over_choices(operation: np.ufunc, values: np.ndarray) -> np.ndarray:
    """Reduce the last axis and keep it; for so few choices, faster than numpy's own reduction."""
    return np.asarray(reduce(operation, np.moveaxis(values, -1, 0))[..., None])
