"""Starts a network's backbone from weights trained elsewhere: timm's, or those of a file.

Tensors are taken where name and shape agree, so another head or a narrower backbone keeps its own.
Attention begins where it changes least: gates at a mean of 1 (see attention/unit_gate.py), branches
that are added after a norm with that norm's weight at 0.
"""

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
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
from ean_search.networks.positions.wrappers import RecordedProjection, WithChainEnds, Wrapper
from ean_search.utils.errors import UserError, first_line

log = logging.getLogger(__name__)
TIMM = "timm"


def load_backbone(network: nn.Module, space: Space, source: str) -> None:
    """Take weights into a space's network, from `timm` or a file, and silence its attention."""
    weights = _timm_weights(space.backbone) if source == TIMM else _file_weights(Path(source))
    taken, names = 0, 0
    for name, tensor in _backbone_tensors(network):
        names += 1
        if name in weights and weights[name].shape == tensor.shape:
            tensor.data.copy_(weights[name])
            taken += 1
    if not taken:
        raise UserError(f"nothing in the weights of {source} fits {space.backbone}")
    log.info("%d of the backbone's %d tensors start from %s", taken, names, source)
    for module in network.modules():
        if isinstance(module, MapBranch):
            nn.init.zeros_(module.norm.weight)


def with_unit_gates(space: Space) -> Space:
    """Return a space whose gates start at a mean of 1, if its attentions are gates."""
    gates = not any(find_attention(choice.name).takes_tokens for choice in space.attention)
    return space.model_copy(update={"unit_gate": space.unit_gate or gates})


def _backbone_tensors(module: nn.Module, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that the plain backbone has, by the names they have there."""
    if isinstance(module, Slot | Wrapper | RecordedProjection | WithChainEnds):
        inner = module.original if isinstance(module, Slot) else module.inner
        if inner is not None:
            yield from _backbone_tensors(inner, name)
        return
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    yield from ((f"{name}.{key}".lstrip("."), tensor) for key, tensor in own)
    for key, child in module.named_children():
        yield from _backbone_tensors(child, f"{name}.{key}".lstrip("."))


def _timm_weights(backbone: str) -> Mapping[str, Tensor]:
    """Get timm's weights of a backbone from the cache of its hub, or from the hub."""
    if backbone in BACKBONES or ":" in backbone:
        raise UserError(f"timm has no weights of {backbone!r}; name a file: --pretrained FILE")
    online = _hub_answers()
    try:
        with nullcontext() if online else patch.object(constants, "HF_HUB_OFFLINE", True):
            return timm.create_model(backbone, pretrained=True).state_dict()
    except Exception as error:  # the hub's, the network's, and timm's own where it has none
        why = first_line(error) if online else f"{constants.ENDPOINT} does not answer"
        raise UserError(
            f"no pretrained weights of {backbone!r} in the cache, nor from the hub ({why}); name "
            "a file: --pretrained FILE"
        ) from error


def _hub_answers() -> bool:
    """Say whether the hub can be reached: its own library would try for most of a minute."""
    try:
        socket.create_connection((urlparse(constants.ENDPOINT).hostname, 443), timeout=5).close()
    except OSError:
        return False
    return True


def _file_weights(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise UserError(f"no pretrained weights at {path}")
    try:
        return load_state_dict(str(path))
    except Exception as error:  # whatever a broken file makes its reader raise
        raise UserError(f"{path} holds no weights that can be read: {error}") from error
