"""Where pretrained weights come from: timm and its hub, a package, a folder, or a file."""

import socket
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlparse

import timm
from huggingface_hub import constants
from timm.models import get_pretrained_cfg_value, is_model, load_state_dict
from torch import Tensor

from ean_search.core.live_names import is_live
from ean_search.core.space import Space
from ean_search.data.splits import MeanStd
from ean_search.networks.backbones.registry import BACKBONES
from ean_search.networks.live import find_live
from ean_search.networks.package_weights import PREFIX, find_package, load_package_weights
from ean_search.networks.plain_backbone import size_arguments
from ean_search.utils.errors import UserError, first_line

TIMM = "timm"
NETWORK = "network"  # the user's own module, with the weights that it has
LOCAL_DIR = "local-dir:"
FILES_OF_FOLDERS = ("model.safetensors", "pytorch_model.bin")
HUB_TIMEOUT_SECONDS = 5


def find_weights(space: Space, source: str) -> Mapping[str, Tensor]:
    """Read pretrained weights, by the names of tensors in the plain backbone.

    Args:
        space: The space of the backbone.
        source: `timm`, for the weights of timm's model of the same name; `package:NAME`, for
            those of an installed package (see package_weights.py); `local-dir:FOLDER`, for a folder
            that timm saved for the hub; `network`, for those that a module from Python has; or a
            path to a file.

    Raises:
        UserError: If there are no such weights.
    """
    if source == TIMM:
        return _timm_weights(space)
    if source == NETWORK and is_live(space.backbone):
        return find_live(space.backbone).module.state_dict()
    if source.startswith(PREFIX):
        return load_package_weights(source, space)
    if source.startswith(LOCAL_DIR):
        return _folder_weights(Path(source.removeprefix(LOCAL_DIR)))
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


def _folder_weights(folder: Path) -> Mapping[str, Tensor]:
    """Read the weights in a folder of a model; what its configuration names is not looked at."""
    found = next((folder / name for name in FILES_OF_FOLDERS if (folder / name).is_file()), None)
    if found is None:
        raise UserError(f"no pretrained weights in {folder}: none of {', '.join(FILES_OF_FOLDERS)}")
    return _file_weights(found)


def expected_mean_std(space: Space, source: str) -> MeanStd | None:
    """Return the normalisation of the images that pretrained weights expect.

    Args:
        space: The space of the backbone.
        source: As for `find_weights`.

    Returns:
        The mean and the standard deviation of each channel; None if nothing says so.
    """
    if source.startswith(PREFIX):
        package = find_package(source)
        return package.mean, package.std
    if not is_model(space.backbone.split(".")[0]):
        return None
    mean, std = (get_pretrained_cfg_value(space.backbone, name) for name in ("mean", "std"))
    return (tuple(mean), tuple(std)) if mean and std else None
