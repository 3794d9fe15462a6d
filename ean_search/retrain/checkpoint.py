"""A retrained network's folder: what was trained, and how to read it back.

The folder says all that is needed to build the network again; the run it came from need not exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ean_search.analysis.run_folder import Run
from ean_search.core.space import Placement, Space
from ean_search.data.datasets import Data, DataSource
from ean_search.data.splits import TensorSplit
from ean_search.networks.builder import build, place, prune
from ean_search.training.recipe import Recipe
from ean_search.utils.config import FrozenConfig, parse_fields
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights, read_json


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
class Checkpoint:
    """One training's folder."""

    path: Path

    @property
    def about(self) -> Path:
        return self.path / "training.json"

    @property
    def weights(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def state(self) -> Path:
        """Where an unfinished training stands."""
        return self.path / "checkpoint.pt"

    @cached_property
    def trained(self) -> TrainingDescription:
        """Read what was trained."""
        return parse_fields(TrainingDescription, read_json(self.about), str(self.about))

    @property
    def placement(self) -> Placement:
        return self.trained.space.parse(self.trained.placement)

    def read_metrics(self) -> dict[str, Any] | None:
        """Return what the training reached, or None if it is not finished."""
        return read_json(self.metrics)

    def network(self, placement: Placement | None = None) -> nn.Module:
        """Build the trained network; another placement than its own hardly ever fits."""
        chosen = placement or self.placement
        network = prune(build(self.trained.space, self.trained.classes), chosen)
        try:
            load_weights(network, self.weights)
        except UserError as error:
            own = f"trained with placement {self.placement}, read with {chosen}"
            raise UserError(f"{error} ({own})") from error
        return network.eval()

    def network_with_slots(self) -> nn.Module:
        """Build the network with a slot a site, the trained weights in those that were."""
        network = build(self.trained.space, self.trained.classes)
        for name, module in network.named_modules():
            module.name_with_slots = name  # what a pruned copy is called here
        pruned = prune(network, self.placement)
        load_weights(pruned, self.weights)
        for module in pruned.modules():
            if hasattr(module, "name_with_slots"):  # carries are made anew, and have no weights
                home = dict(_own_tensors(network.get_submodule(module.name_with_slots)))
                for name, tensor in _own_tensors(module):
                    home[name].data.copy_(tensor)
        return place(network, self.placement).eval()


def _own_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(recurse=False)
    yield from module.named_buffers(recurse=False)


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Open a training's folder, named by itself or by its weights."""
    given = Path(path)
    checkpoint = Checkpoint(given.parent if given.is_file() else given)
    if not checkpoint.about.is_file():
        raise UserError(f"{path} is not a retrained network: no {checkpoint.about.name} there")
    if checkpoint.read_metrics() is None:
        raise UserError(f"{path} is not trained to its end; the same `retrain` command goes on")
    return checkpoint


def find_trained(
    run: Run, placement: Placement, recipe: str | None = None, seed: int | None = None
) -> Checkpoint:
    """Find a run's retrained network of a placement; of several, the first seed's."""
    root = run.path / "retrain"
    found = [Checkpoint(about.parent) for about in sorted(root.rglob("training.json"))]
    fitting = [
        c
        for c in found
        if c.trained.placement == str(placement)
        and c.trained.folded_from is None
        and c.metrics.is_file()
        and seed in (None, c.trained.seed)
        and (recipe is None or Path(recipe).stem in c.path.parent.parts)
    ]
    if not fitting:
        raise UserError(
            f"{placement} is not retrained yet: ean-search retrain {run.path} --placement "
            f"{placement}" + (f" --recipe {recipe}" if recipe else "")
        )
    return min(fitting, key=lambda c: c.trained.seed)


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
