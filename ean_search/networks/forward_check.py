"""Lets a network compute with each attention everywhere: what does not fit is said early."""

from typing import Any

import torch
from torch import nn

from ean_search.core.space import Space
from ean_search.networks.builder import place
from ean_search.networks.example import Example
from ean_search.utils.errors import UserError, first_line


def check_forward(network: nn.Module, space: Space, example: Example) -> dict[str, Any]:
    """Compute the outputs of an example, plain and with each attention at every site.

    Args:
        network: The network of the space; it is left in evaluation mode, with the last placement.
        space: The space, with its sites known.
        example: What one forward pass of the network takes, on its device.

    Returns:
        The outputs by the name of the network, such as "backbone 'resnet18'".

    Raises:
        UserError: If the backbone or an attention cannot compute; one line that says which.
    """
    network.eval()
    outputs = {}
    for choice in range(space.choices):
        name = _name(space, choice)
        try:
            with torch.no_grad():
                outputs[name] = example.run(place(network, space.placement([choice] * space.sites)))
        except UserError as error:
            raise UserError(f"{name}: {error}") from error
        except Exception as error:  # of a backbone or an attention of anybody's
            raise UserError(
                f"{name} cannot compute on an input of {example.describe()}: "
                f"{type(error).__name__}: {first_line(error)}"
            ) from error
    return outputs


def _name(space: Space, choice: int) -> str:
    """Name the network that has one choice at every site."""
    if not choice:
        return f"backbone {space.backbone!r}"
    return f"backbone {space.backbone!r} with {space.attention[choice - 1].name!r} at every site"
