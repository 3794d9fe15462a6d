"""Starts a network's backbone from pretrained weights.

A head for other classes keeps its initial weights; all other tensors must fit. Attention starts
where it changes the backbone least: gates have a mean of 1 (see attention/unit_gate.py), and
branches that are added after a norm have a norm weight of 0.
"""

import logging
from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from ean_search.attention.branches import MapBranch
from ean_search.attention.own import Own
from ean_search.attention.registry import find_attention
from ean_search.core.space import Space
from ean_search.networks.builder import Slot, build
from ean_search.networks.head import find_head
from ean_search.networks.positions.wrappers import RecordedProjection, WithChainEnds, Wrapper
from ean_search.networks.weight_sources import find_weights
from ean_search.utils.errors import UserError

log = logging.getLogger(__name__)
COUNTER = "num_batches_tracked"  # of norms; weights of old versions lack it, and nothing uses it
MAX_TENSORS_NAMED = 3  # in an error message


def load_backbone(network: nn.Module, space: Space, source: str) -> bool:
    """Find pretrained weights, and put them into the backbone of a space's network.

    Args:
        network: As for `put_weights`.
        space: Its space.
        source: Where the weights come from; see `find_weights`.

    Returns:
        As `put_weights` does.

    Raises:
        UserError: If there are no such weights, or they do not fit.
    """
    return put_weights(network, space, find_weights(space, source), source)


def build_on(
    space: Space, classes: int, seed: int, weights: Mapping[str, Tensor] | None
) -> nn.Module:
    """Build a network of a space on a backbone's weights.

    Args:
        space: The space.
        classes: The number of classes.
        seed: Of all weights that are not given.
        weights: Tensors by their names in the plain backbone; all weights are random if None.
    """
    network = build(space, classes, seed)
    if weights is not None:
        put_weights(network, space, weights, "the plain backbone")
    return network


def put_weights(
    network: nn.Module, space: Space, weights: Mapping[str, Tensor], source: str
) -> bool:
    """Put pretrained weights into a network's backbone, in place.

    Norms at the end of attention branches get a weight of 0, so that the network computes what the
    pretrained backbone does until it is trained.

    Args:
        network: A network of `build`, or a plain backbone.
        space: Its space.
        weights: Tensors by their names in the plain backbone.
        source: Where they come from, for messages.

    Returns:
        Whether the head has its weights, too; it has not where it is for other classes.

    Raises:
        UserError: If a tensor other than the head's does not fit.
    """
    tensors = dict(_backbone_tensors(network))
    fitting = {n for n, t in tensors.items() if n in weights and weights[n].shape == t.shape}
    if not fitting:
        raise UserError(f"nothing in the weights of {source} fits {space.backbone}")
    head: set[str] = set()
    if len(fitting) < len(tensors):
        head = {name for name in tensors if name.startswith(f"{find_head(network)[0]}.")}
    if others := [n for n in tensors if n not in fitting | head and not n.endswith(COUNTER)]:
        what = f"{source} do not fit {space.backbone}"
        raise UserError(_describe_misfits(what, weights, tensors, others))
    for name in fitting:
        tensors[name].data.copy_(weights[name])
    log.info("%d of the backbone's %d tensors start from %s", len(fitting), len(tensors), source)
    silence_branches(network)
    return head <= fitting


def silence_branches(network: nn.Module) -> None:
    """Let attentions that add to a map begin with nothing, so that a network computes as before."""
    for module in network.modules():
        if isinstance(module, MapBranch):
            nn.init.zeros_(module.norm.weight)


def _describe_misfits(
    what: str, weights: Mapping[str, Tensor], tensors: Mapping[str, Tensor], names: list[str]
) -> str:
    shapes = [
        f"{name} is {tuple(weights[name].shape) if name in weights else 'missing'} there and "
        f"{tuple(tensors[name].shape)} in the backbone"
        for name in names[:MAX_TENSORS_NAMED]
    ]
    more = f", and {len(names) - len(shapes)} more" if len(names) > len(shapes) else ""
    return f"the weights of {what}: {'; '.join(shapes)}{more}"


def with_unit_gates(space: Space) -> Space:
    """Return a space whose gates start at a mean of 1, unless an attention of it takes tokens.

    Args:
        space: The space for a network with pretrained weights.
    """
    have_gates = not any(find_attention(choice.name).takes_tokens for choice in space.attention)
    return space.model_copy(update={"unit_gate": space.unit_gate or have_gates})


def _backbone_tensors(module: nn.Module, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the plain backbone, with their names in it."""
    if isinstance(module, Slot):
        inners = [module.original, *(a.module for a in module.attentions if isinstance(a, Own))]
    elif isinstance(module, Wrapper | RecordedProjection | WithChainEnds):
        inners = [module.inner]
    else:
        inners = []
    for inner in inners:
        if inner is not None:
            yield from _backbone_tensors(inner, name)
    if inners:
        return
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    constants = module._non_persistent_buffers_set  # such as indices; files do not have them
    yield from ((f"{name}.{key}".lstrip("."), t) for key, t in own if key not in constants)
    for key, child in module.named_children():
        yield from _backbone_tensors(child, f"{name}.{key}".lstrip("."))
