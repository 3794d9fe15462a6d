"""What an experiment leaves to the machine, the data or the backbone, spelled out."""

from typing import Any

import torch

from ean_search.core.space import Space
from ean_search.data.datasets import load_data
from ean_search.networks.plain_backbone import image_channels, make_backbone
from ean_search.networks.sites import probe
from ean_search.runs.experiment import Experiment
from ean_search.runs.pretrained_start import settle_pretrained
from ean_search.utils.device import find_device
from ean_search.utils.errors import UserError, first_line


def resolve(experiment: Experiment) -> Experiment:
    """Spell out device, sites and image size.

    The data's image size and channels govern the space's: accuracy and costs are of the same
    images, unless the experiment names another `cost_image_size`.

    Raises:
        UserError: If there is no such device or data, if the backbone does not have the sites, or
            if it cannot take images of the two sizes.
    """
    loaded = load_data(experiment.data)
    size = loaded.image_size
    space = probe(_for_images(experiment.space, size, loaded.channels))
    if experiment.cost_image_size not in (None, size):
        _check_other_size(space, experiment.cost_image_size or size)
    data = experiment.data.model_copy(update={"image_size": size})
    changes = {"space": space, "data": data, "device": find_device(experiment.device)}
    return settle_pretrained(experiment.model_copy(update=changes))


def _for_images(space: Space, size: int, channels: int) -> Space:
    """Return a space whose backbone takes images of this size and number of channels."""
    changes: dict[str, Any] = {"image_size": size}
    if channels != image_channels(space.backbone_args):
        changes["backbone_args"] = {**space.backbone_args, "in_chans": channels}
    return space.model_copy(update=changes)


def _check_other_size(space: Space, cost_image_size: int) -> None:
    """Refuse a size for costs that a backbone for the data's size does not take."""
    with torch.device("meta"), torch.no_grad():
        backbone = make_backbone(space, classes=2).eval()
        channels = image_channels(space.backbone_args)
        try:
            backbone(torch.empty(1, channels, cost_image_size, cost_image_size))
        except Exception as error:  # whatever a backbone of a fixed size raises
            raise UserError(
                f"cost_image_size: {space.backbone} for images of {space.image_size} px does not "
                f"take {cost_image_size} px: {first_line(error)}"
            ) from error
