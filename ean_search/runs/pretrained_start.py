"""What a run does when it starts from a pretrained network: settings, first weights, teacher."""

import logging
from typing import Any

from torch import Tensor, nn

from ean_search.data.datasets import Data
from ean_search.networks.plain_backbone import image_channels, make_backbone
from ean_search.networks.pretrained import put_weights, with_unit_gates
from ean_search.networks.weight_sources import expected_mean_std, find_weights
from ean_search.runs.experiment import Experiment
from ean_search.training.linear_probe import fit_head
from ean_search.training.recipe import Recipe
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
    recipe = supernet.recipe if tune == "attention" else _with_layer_decay(supernet.recipe)
    changes: dict[str, Any] = {
        "space": with_unit_gates(experiment.space),
        "supernet": supernet.model_copy(update={"tune": tune, "recipe": recipe}),
        "standalone": _with_layer_decay(experiment.standalone),
    }
    if tune == "attention":
        changes["recalibrate"] = 0
    mean_std = expected_mean_std(experiment.space, source)
    channels = image_channels(experiment.space.backbone_args)
    if mean_std and len(mean_std[0]) == channels and experiment.data.mean_std is None:
        changes["data"] = experiment.data.model_copy(update={"mean_std": mean_std})
    return experiment.model_copy(update=changes)


def _with_layer_decay(recipe: Recipe) -> Recipe:
    """Return a recipe in which layers near the image learn more slowly, if it does not say."""
    return recipe.model_copy(update={"layer_decay": recipe.layer_decay or LAYER_DECAY})


def pretrained_backbone(
    experiment: Experiment, data: Data, progress: Progress = silent
) -> nn.Module | None:
    """Make the plain network that an experiment starts from; None: its weights are random.

    Args:
        experiment: Names the weights.
        data: Its training images fit a head that the weights have not.
        progress: Receives a report while features are computed.

    Returns:
        The network, which may teach, and whose weights `build_on` takes.

    Raises:
        UserError: If the weights are not there or do not fit, or the head cannot be found.
    """
    space, source = experiment.space, experiment.supernet.pretrained
    if source is None:
        return None
    backbone = make_backbone(space, data.classes)
    if not put_weights(backbone, space, find_weights(space, source), source):
        share = fit_head(backbone, data.train, device=experiment.device, progress=progress)
        log.info("a head for %d classes fits %.1f %% of its images", data.classes, 100 * share)
    return backbone


def backbone_weights(backbone: nn.Module | None) -> dict[str, Tensor] | None:
    """Return the weights of a plain network as `build_on` takes them."""
    return None if backbone is None else backbone.state_dict()
