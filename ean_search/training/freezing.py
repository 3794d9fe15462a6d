"""Which part of a network learns: all of it, or the attentions on a backbone that stays."""

from collections.abc import Callable, Sequence

from torch import nn

from ean_search.networks.builder import Slot

FindFrozen = Callable[[nn.Module], Sequence[nn.Module]]  # the modules whose own weights stay


def nothing_frozen(network: nn.Module) -> list[nn.Module]:
    """Return no module: everything learns."""
    return []


def frozen_backbone(network: nn.Module) -> list[nn.Module]:
    """Return the modules of a network that belong to no attention."""
    attentions = {
        m for s in network.modules() if isinstance(s, Slot) for m in s.attentions.modules()
    }
    return [module for module in network.modules() if module not in attentions]


def freeze(modules: Sequence[nn.Module]) -> None:
    """Stop gradients to the modules' own parameters, and keep the modules in evaluation mode.

    Called again after `network.train()`, it puts them back into evaluation mode.
    """
    for module in modules:
        module.training = False
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)


def unfreeze(modules: Sequence[nn.Module]) -> None:
    """Let the modules' own parameters have gradients again."""
    for module in modules:
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(True)
