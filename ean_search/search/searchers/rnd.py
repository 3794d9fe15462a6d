"""Random network distillation: a measure of how new placements are, as an exploration bonus.

A student network learns to predict the outputs of a random, fixed target network on the placements
that it is trained on. Its error on other placements tells how different they are from those. All
random numbers come from the given generator.

Exploration by Random Network Distillation, https://arxiv.org/abs/1810.12894; sizes as in EAN.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class RandomNetworkDistillation:
    """Measures the novelty of placements; it decreases as the student is trained on them.

    Args:
        sites: The number of sites.
        choices: The number of choices per site.
        learning_rate: Adam's learning rate for the student.
        generator: Draws the initial weights of both networks.
    """

    def __init__(
        self, sites: int, choices: int, learning_rate: float, generator: torch.Generator
    ) -> None:
        inputs = sites * (choices - 1)  # one bit per attention, as published for one attention
        self._target = make_mlp((inputs, 32, 32, 4 * sites), generator).requires_grad_(False)
        self._student = make_mlp((inputs, 32, 4 * sites), generator)
        self._adam = torch.optim.Adam(self._student.parameters(), learning_rate)

    def novelty(self, chosen: Tensor) -> float:
        """Return the student's summed squared error.

        Args:
            chosen: One-hot choices, (placements, sites, choices).
        """
        return float(self._error(chosen).detach())

    def train_student(self, chosen: Tensor) -> None:
        """Train the student for one step.

        Args:
            chosen: One-hot choices, (placements, sites, choices).
        """
        self._adam.zero_grad()
        torch.autograd.backward(self._error(chosen))
        self._adam.step()

    def _error(self, chosen: Tensor) -> Tensor:
        bits = chosen[:, :, 1:].flatten(start_dim=1)
        difference: Tensor = self._target(bits) - self._student(bits)
        return difference.square().sum()


def make_mlp(sizes: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """Build linear layers of the given sizes, with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [make_linear(inputs, outputs, generator), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def make_linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Build a linear layer with torch's usual initialisation, but from the given generator."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = inputs**-0.5
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
