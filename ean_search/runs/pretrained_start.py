"""What a run does when it starts from a pretrained network: settings, first weights, teacher."""

import logging
from typing import Any

from torch import nn

from ean_search.data.datasets import Data
from ean_search.networks.head import find_head
from ean_search.networks.plain_backbone import image_channels, make_backbone
from ean_search.networks.pretrained import put_weights, with_unit_gates
from ean_search.networks.weight_sources import expected_mean_std, find_weights
from ean_search.runs.experiment import Experiment
from ean_search.training.linear_probe import fit_head
from ean_search.utils.progress import Progress, silent

log = logging.getLogger(__name__)
LAYER_DECAY = 0.75  # timm's default for rates by layer


def settle_pretrained(experiment: Experiment) -> Experiment:
    """Spell out what starting from pretrained weights leaves to the space and the weights.

    Args:
        experiment: With the sites of its space known. Without pretrained weights it is returned as
            it is.

    Returns:
        The experiment with unit gates, with images normalised as the weights expect, and with what
        learns. Where all of it learns, layers near the image do so more slowly; where the backbone
        is frozen, its norms keep their statistics.
    """
    supernet, source = experiment.supernet, experiment.supernet.pretrained
    if source is None:
        return experiment
    tune = supernet.tune
    if tune == "auto":
        tune = "all" if experiment.space.has_own else "attention"
    recipe = supernet.recipe
    if tune == "all" and recipe.layer_decay is None:
        recipe = recipe.model_copy(update={"layer_decay": LAYER_DECAY})
    changes: dict[str, Any] = {
        "space": with_unit_gates(experiment.space),
        "supernet": supernet.model_copy(update={"tune": tune, "recipe": recipe}),
    }
    if tune == "attention":
        changes["recalibrate"] = 0
    mean_std = expected_mean_std(experiment.space, source)
    channels = image_channels(experiment.space.backbone_args)
    if mean_std and len(mean_std[0]) == channels and experiment.data.mean_std is None:
        changes["data"] = experiment.data.model_copy(update={"mean_std": mean_std})
    return experiment.model_copy(update=changes)


def start_from_pretrained(
    network: nn.Module, experiment: Experiment, data: Data, progress: Progress = silent
) -> nn.Module:
    """Load pretrained weights into a run's network, and fit a head that they have not.

    Args:
        network: A network of `build`, which is changed in place.
        experiment: Names the weights.
        data: Its training images fit the head.
        progress: Receives a report while features are computed.

    Returns:
        The plain pretrained network, with the head fitted, which may teach.

    Raises:
        UserError: If the weights are not there or do not fit, or the head cannot be found.
    """
    space, source = experiment.space, experiment.supernet.pretrained
    assert source is not None, "an experiment without pretrained weights has another start"
    weights = find_weights(space, source)
    teacher = make_backbone(space, data.classes)
    has_head = put_weights(teacher, space, weights, source)
    put_weights(network, space, weights, source)
    if not has_head:
        share = fit_head(teacher, data.train, device=experiment.device, progress=progress)
        log.info("a head for %d classes fits %.1f %% of its images", data.classes, 100 * share)
        find_head(network)[1].load_state_dict(find_head(teacher)[1].state_dict())
    return teacher
