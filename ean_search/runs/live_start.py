"""A run on a data set whose network is a user's own module, given from Python."""

from typing import Any

import torch
from torch import nn

from ean_search.core.live_names import is_live
from ean_search.core.space import Space
from ean_search.data.datasets import load_data
from ean_search.networks.example import Example
from ean_search.networks.live import LiveNetwork, check_example, register_live
from ean_search.networks.weight_sources import NETWORK
from ean_search.runs.experiment import Experiment
from ean_search.utils.errors import UserError


def with_network(experiment: Experiment, network: nn.Module) -> tuple[Experiment, LiveNetwork]:
    """Put a user's network in the place of an experiment's backbone.

    The network begins with its own weights, and takes images as it was made for: of the size and
    with the normalisation of timm's data configuration, where it has one and the experiment does
    not say otherwise.

    Args:
        experiment: Its space gives the attention; backbone, stages and placements are left out.
        network: A classifier of the classes of the data.

    Returns:
        The experiment, and the value to hold while it is used.

    Raises:
        UserError: If the module cannot be copied, does not take the images, or is not
            deterministic; or if the experiment asks for what needs another network.
    """
    if experiment.cost_image_size is not None:
        raise UserError("cost_image_size: costs of a module from Python are those of the data")
    config = _data_config(network)
    data = experiment.data
    if data.image_size is None and config.get("input_size"):
        data = data.model_copy(update={"image_size": config["input_size"][-1]})
    if data.mean_std is None and config.get("mean") and config.get("std"):
        mean_std = tuple(config["mean"]), tuple(config["std"])
        data = data.model_copy(update={"mean_std": mean_std})
    live = _register(network, load_data(data).image_size, load_data(data).channels)
    supernet = experiment.supernet
    if supernet.weights is None:
        supernet = supernet.model_copy(update={"pretrained": NETWORK})
    changes: dict[str, Any] = {"space": _space_of(experiment.space, live.name)}
    changes |= {"data": data, "supernet": supernet}
    return experiment.model_copy(update=changes), live


def give_network(space: Space, network: nn.Module) -> LiveNetwork:
    """Give a run that goes on the network that it began with.

    Args:
        space: The space of the run.
        network: The same module, with the weights that it had at the start.

    Returns:
        The value to hold while the run goes on.

    Raises:
        UserError: If it is another one.
    """
    if not is_live(space.backbone):
        raise UserError(
            "this run's network is a backbone by name: it takes no network= from Python"
        )
    live = _register(network, space.image_size, int(space.backbone_args.get("in_chans", 3)))
    if live.name != space.backbone:
        raise UserError(
            f"this run began with the network {space.backbone!r}, and here it is {live.name!r}: "
            "give the same module with its first weights"
        )
    return live


def _register(network: nn.Module, size: int, channels: int) -> LiveNetwork:
    live = register_live(network, Example.of(torch.zeros(1, channels, size, size)), keep=True)
    check_example(live)
    return live


def _data_config(network: nn.Module) -> dict[str, Any]:
    """Return what timm's configuration of a network says of its images; nothing of other's."""
    config = getattr(network, "pretrained_cfg", None)
    return dict(config) if isinstance(config, dict) else {}


def _space_of(space: Space, backbone: str) -> Space:
    changes = {"backbone": backbone, "backbone_args": {}, "stages": (), "placements": {}}
    return space.model_copy(update=changes)
