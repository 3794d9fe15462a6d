"""Starts a network's backbone from pretrained weights: those of timm, a package, or a file.

Tensors are loaded where name and shape agree, so a head for other classes keeps its initial
weights. Attention starts where it changes the backbone least: gates have a mean of 1 (see
attention/unit_gate.py), and branches that are added after a norm have a norm weight of 0.
"""

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlparse

import timm
from huggingface_hub import constants
from timm.models import load_state_dict
from torch import Tensor, nn

from ean_search.attention.branches import MapBranch
from ean_search.attention.registry import find_attention
from ean_search.core.space import Space
from ean_search.networks.backbones.registry import BACKBONES
from ean_search.networks.builder import Slot
from ean_search.networks.package_weights import PREFIX, load_package_weights
from ean_search.networks.plain_backbone import size_arguments
from ean_search.networks.positions.wrappers import RecordedProjection, WithChainEnds, Wrapper
from ean_search.utils.errors import UserError, first_line

log = logging.getLogger(__name__)
TIMM = "timm"
HUB_TIMEOUT_SECONDS = 5


def load_backbone(network: nn.Module, space: Space, source: str) -> None:
    """Load pretrained weights into the backbone of a space's network, in place.

    Norms at the end of attention branches get a weight of 0, so that the network computes what the
    pretrained backbone does until it is trained.

    Args:
        network: A network of `build`.
        space: Its space.
        source: `timm`, for the weights of timm's model of the same name; `package:NAME`, for
            those of an installed package (see package_weights.py); or a path to a file.

    Raises:
        UserError: If there are no such weights, or none of them fits.
    """
    weights = _find_weights(space, source)
    loaded, total = 0, 0
    for name, tensor in _backbone_tensors(network):
        total += 1
        if name in weights and weights[name].shape == tensor.shape:
            tensor.data.copy_(weights[name])
            loaded += 1
    if not loaded:
        raise UserError(f"nothing in the weights of {source} fits {space.backbone}")
    log.info("%d of the backbone's %d tensors start from %s", loaded, total, source)
    for module in network.modules():
        if isinstance(module, MapBranch):
            nn.init.zeros_(module.norm.weight)


def with_unit_gates(space: Space) -> Space:
    """Return a space whose gates start at a mean of 1, unless an attention of it takes tokens.

    Args:
        space: The space for a network with pretrained weights.
    """
    have_gates = not any(find_attention(choice.name).takes_tokens for choice in space.attention)
    return space.model_copy(update={"unit_gate": space.unit_gate or have_gates})


def _backbone_tensors(module: nn.Module, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the plain backbone, with their names in it."""
    if isinstance(module, Slot | Wrapper | RecordedProjection | WithChainEnds):
        inner = module.original if isinstance(module, Slot) else module.inner
        if inner is not None:
            yield from _backbone_tensors(inner, name)
        return
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    yield from ((f"{name}.{key}".lstrip("."), tensor) for key, tensor in own)
    for key, child in module.named_children():
        yield from _backbone_tensors(child, f"{name}.{key}".lstrip("."))


def _find_weights(space: Space, source: str) -> Mapping[str, Tensor]:
    if source == TIMM:
        return _timm_weights(space)
    if source.startswith(PREFIX):
        return load_package_weights(source, space).tensors
    return _file_weights(Path(source))


def _timm_weights(space: Space) -> Mapping[str, Tensor]:
    """Get the weights of a timm model from the cache of the hub, or from the hub."""
    backbone = space.backbone
    if backbone in BACKBONES or ":" in backbone:
        raise UserError(f"timm has no weights of {backbone!r}; name a file: --pretrained FILE")
    reachable = _hub_is_reachable()
    sized: dict[str, Any] = dict(size_arguments(space))  # timm resamples for a size
    try:
        with nullcontext() if reachable else patch.object(constants, "HF_HUB_OFFLINE", True):
            return timm.create_model(backbone, pretrained=True, **sized).state_dict()
    except Exception as error:  # the hub's, the network's, and timm's own where it has none
        reason = first_line(error) if reachable else f"{constants.ENDPOINT} does not answer"
        raise UserError(
            f"no pretrained weights of {backbone!r} in the cache, nor from the hub ({reason}); "
            "name a file: --pretrained FILE"
        ) from error


def _hub_is_reachable() -> bool:
    """Say whether the hub can be reached; its own library would try for most of a minute."""
    try:
        host = urlparse(constants.ENDPOINT).hostname
        socket.create_connection((host, 443), HUB_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


def _file_weights(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise UserError(f"no pretrained weights at {path}")
    try:
        return load_state_dict(str(path), weights_only=True)
    except Exception as error:  # whatever a broken file makes its reader raise
        raise UserError(f"{path} holds no weights that can be read: {error}") from error
