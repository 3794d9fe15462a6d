"""Finds the head of a classifier: the linear layer that turns features into logits."""

from torch import nn

from ean_search.utils.errors import UserError


def find_head(network: nn.Module) -> tuple[str, nn.Linear]:
    """Return the path and the layer of a network's head: its last linear layer by definition.

    Args:
        network: A classifier; of timm's models, what `get_classifier` returns is the head.

    Raises:
        UserError: If there is no linear layer, or more than one head.
    """
    modules = dict(network.named_modules())
    get_classifier = getattr(network, "get_classifier", None)  # timm's models have it
    named = get_classifier() if get_classifier is not None else None
    if isinstance(named, nn.Module):
        linear = [(path, m) for path, m in modules.items() if m is named]
    else:
        linear = [(path, m) for path, m in modules.items() if isinstance(m, nn.Linear)]
    path, head = linear[-1] if linear else ("", None)
    if isinstance(named, tuple) or not isinstance(head, nn.Linear):
        raise UserError(
            f"the head of {type(network).__name__} cannot be found: expected one linear layer that "
            "gives the logits"
        )
    return path, head
