"""A retrained network's folder: what was trained, and how to read it back.

The folder says all that is needed to build the network again; the run it came from need not exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ean_search.analysis.run_folder import Run, TrainingFolder
from ean_search.core.space import Placement, Space
from ean_search.data.datasets import Data, DataSource
from ean_search.data.splits import TensorSplit
from ean_search.networks.builder import build, paths_before_pruning, place, prune
from ean_search.training.recipe import Recipe
from ean_search.utils.config import FrozenConfig, parse_fields
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights


class TrainingDescription(FrozenConfig):
    """What was trained, on what, and how."""

    space: Space
    placement: str
    classes: int
    seed: int
    data: DataSource
    recipe: Recipe
    pretrained: str | None = None  # `timm`, or the file whose weights the backbone started from
    preprocessing: dict[str, Any] = {}  # in timm's words
    folded_from: str | None = None  # the placement that was trained, if this is what is left of it


@dataclass(frozen=True)
class Checkpoint(TrainingFolder):
    """The folder of one training, with the network that was trained."""

    @cached_property
    def description(self) -> TrainingDescription:
        """Read what was trained."""
        return parse_fields(
            TrainingDescription, self.read_description(), str(self.description_file)
        )

    @property
    def trained_placement(self) -> Placement:
        """The placement that was trained."""
        return self.description.space.parse(self.description.placement)

    def network(self, placement: Placement | None = None) -> nn.Module:
        """Build the trained network; another placement than its own hardly ever fits."""
        chosen = placement or self.trained_placement
        network = prune(build(self.description.space, self.description.classes), chosen)
        try:
            load_weights(network, self.weights_file)
        except UserError as error:
            own = f"trained with placement {self.trained_placement}, read with {chosen}"
            raise UserError(f"{error} ({own})") from error
        return network.eval()

    def network_with_slots(self) -> nn.Module:
        """Build the network with a slot a site, the trained weights in those that were used."""
        network = build(self.description.space, self.description.classes)
        pruned = prune(network, self.trained_placement)
        load_weights(pruned, self.weights_file)
        for name, path in paths_before_pruning(network, self.trained_placement).items():
            own = dict(_own_tensors(network.get_submodule(path)))
            for key, tensor in _own_tensors(pruned.get_submodule(name)):
                own[key].data.copy_(tensor)
        return place(network, self.trained_placement).eval()


def _own_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(recurse=False)
    yield from module.named_buffers(recurse=False)


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Open a training's folder, named by itself or by its weights."""
    given = Path(path)
    checkpoint = Checkpoint(given.parent if given.is_file() else given)
    if not checkpoint.description_file.is_file():
        missing = checkpoint.description_file.name
        raise UserError(f"{path} is not a retrained network: no {missing} there")
    if not checkpoint.is_finished:
        raise UserError(f"{path} is not trained to its end; the same `retrain` command goes on")
    return checkpoint


def find_trained(
    run: Run, placement: Placement, recipe: str | None = None, seed: int | None = None
) -> Checkpoint:
    """Find a run's retrained network of a placement; of several, that of the lowest seed.

    Raises:
        UserError: If there is none, with the command that trains one.
    """
    found = run.trainings(placement, recipe=recipe, seed=seed)
    if not found:
        command = f"ean-search retrain {run.path} --placement {placement}"
        command += f" --recipe {recipe}" if recipe else ""
        raise UserError(f"{placement} is not retrained yet: {command}")
    return Checkpoint(min(found, key=lambda training: training.seed).path)


def preprocessing(data: Data) -> dict[str, Any]:
    """Describe how test images become tensors, in the words of timm's configurations."""
    size = [3, data.image_size, data.image_size]
    if not isinstance(data.test, TensorSplit):
        # timm's transforms, see augment.py; what timm leaves out of a configuration is ImageNet's.
        return {"input_size": size, "crop_pct": 224 / 256, "interpolation": "bilinear"}
    mean, std = data.test.normal or ((0.0,) * 3, (1.0,) * 3)
    return {
        "input_size": size,
        "crop_pct": 1.0,
        "interpolation": "bilinear",
        "mean": list(mean),
        "std": list(std),
    }
