"""The processes that train one network together, as the training loop sees them."""

from typing import Protocol

from torch import Tensor, nn


class ProcessGroup(Protocol):
    """The processes that train one network together.

    Attributes:
        leads: Whether this process writes the checkpoints.
    """

    leads: bool

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over the group."""

    def mean(self, value: Tensor) -> Tensor:
        """Average a value over the group."""


class SingleProcess:
    """A group of one process."""

    leads = True

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network."""
        return network

    def mean(self, value: Tensor) -> Tensor:
        """Return the value."""
        return value
