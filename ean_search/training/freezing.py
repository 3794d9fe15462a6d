"""Which part of a network learns: all of it, or the attentions on a backbone that stays."""

from collections.abc import Callable, Sequence

from torch import nn

from ean_search.networks.builder import slots

FindFrozen = Callable[[nn.Module], Sequence[nn.Module]]  # the modules whose own weights stay


def frozen_backbone(network: nn.Module) -> list[nn.Module]:
    """Return the modules of a network that belong to no attention."""
    attentions = {module for slot in slots(network) for module in slot.attentions.modules()}
    return [module for module in network.modules() if module not in attentions]


def freeze(modules: Sequence[nn.Module]) -> list[nn.Parameter]:
    """Stop gradients to the modules' own parameters, and keep the modules in evaluation mode.

    Returns:
        The parameters that had gradients until now.
    """
    own = [p for module in modules for p in module.parameters(recurse=False) if p.requires_grad]
    for parameter in own:
        parameter.requires_grad_(False)
    keep_in_evaluation(modules)
    return own


def keep_in_evaluation(modules: Sequence[nn.Module]) -> None:
    """Put modules, but not those below them, into evaluation mode, as after `network.train()`."""
    for module in modules:
        module.training = False


def unfreeze(parameters: Sequence[nn.Parameter]) -> None:
    """Let parameters that `freeze` returned have gradients again."""
    for parameter in parameters:
        parameter.requires_grad_(True)
