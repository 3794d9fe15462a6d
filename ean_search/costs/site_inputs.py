"""What the attentions of a network get at its sites, to count and time them alone."""

from typing import Any

import torch
from torch import nn

from ean_search.core.live_names import is_live
from ean_search.core.space import Space
from ean_search.networks.builder import Slot, place, slots
from ean_search.networks.example import Example
from ean_search.networks.plain_backbone import blank_example


def site_inputs(
    space: Space, network: nn.Module, batch_size: int = 1, device: str = "cpu"
) -> list[Example]:
    """Return what each site gets, in the order of the sites.

    Args:
        space: The space of the network.
        network: A network with slots; it is left without attention.
        batch_size: The number of images; in a user's module, that of its example.
        device: The device of the network.

    Returns:
        Random maps; in a user's module, what its example brings to each site.
    """
    if is_live(space.backbone):
        return _record(network, blank_example(space).to(device))
    return [Example(slot.site.example_inputs(batch_size, device), {}) for slot in slots(network)]


def first_input(inputs: Example) -> Example:
    """Return the map alone, which a module of the backbone gets that an attention replaces."""
    return Example(inputs.args[:1], {})


def _record(network: nn.Module, example: Example) -> list[Example]:
    recorded: dict[nn.Module, Example] = {}

    def note(slot: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        recorded[slot] = Example(args, named)

    found: list[Slot] = slots(network)
    hooks = [slot.register_forward_pre_hook(note, with_kwargs=True) for slot in found]
    with torch.no_grad():
        example.run(place(network.eval(), "0" * len(found)))
    for hook in hooks:
        hook.remove()
    return [recorded[slot] for slot in found]
