"""Curiosity: the surprise of what has not been seen often, by random network distillation.

A student learns to copy a random, fixed network on the placements it is shown; how badly it does
on new ones says how new they are. All randomness comes from a generator given.

Exploration by random network distillation, https://arxiv.org/abs/1810.12894; sizes as in EAN.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Curiosity:
    """Measure the surprise of placements, and get used to them."""

    def __init__(
        self, sites: int, choices: int, learning_rate: float, generator: torch.Generator
    ) -> None:
        seen = sites * (choices - 1)  # of a placement: a bit an attention, as published for one
        self._oracle = mlp((seen, 32, 32, 4 * sites), generator).requires_grad_(False)
        self._student = mlp((seen, 32, 4 * sites), generator)
        self._adam = torch.optim.Adam(self._student.parameters(), learning_rate)

    def surprise(self, chosen: Tensor) -> float:
        """Sum the student's error over one-hot choices (placements, sites, choices)."""
        return float(self._error(chosen).detach())

    def learn(self, chosen: Tensor) -> None:
        """Teach the student, one step."""
        self._adam.zero_grad()
        self._error(chosen).backward()
        self._adam.step()

    def _error(self, chosen: Tensor) -> Tensor:
        bits = chosen[:, :, 1:].flatten(start_dim=1)
        return (self._oracle(bits) - self._student(bits)).square().sum()


def mlp(sizes: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """Build linear layers with relu between them."""
    layers = [layer for pair in pairwise(sizes) for layer in (linear(*pair, generator), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Build a layer initialised as torch would, but from a generator of its own."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    bound = inputs**-0.5
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
