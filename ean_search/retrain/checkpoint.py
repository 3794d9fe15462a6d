"""The folder of a retrained network: a description of the training, and how to read it back.

The folder holds all that is needed to build the network again, also without the run it came from.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import field_validator
from torch import Tensor, nn

from ean_search.analysis.run_folder import Run
from ean_search.analysis.training_folder import TrainingFolder
from ean_search.core.plugins import space_plugins
from ean_search.core.space import Placement, Space
from ean_search.data.datasets import Data, DataSource, imports_data
from ean_search.data.file_splits import LoaderSplit
from ean_search.data.splits import TensorSplit
from ean_search.networks.builder import build, paths_before_pruning, place, prune
from ean_search.training.recipe import Recipe
from ean_search.utils.config import FrozenConfig, parse_fields
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights
from ean_search.utils.formats import FORMATS, check_format
from ean_search.utils.import_path import treat_as_data
from ean_search.utils.trust import mark_foreign, recorded_names, refuse_foreign


class TrainingDescription(FrozenConfig):
    """What was trained, on what data, and how.

    Attributes:
        space: The space that the network belongs to.
        placement: The placement in it, as text.
        classes: The number of classes.
        seed: The seed of the training.
        data: The data set.
        recipe: The recipe of the training.
        pretrained: "timm", or the file of weights that the backbone started from; None if the
            training started from random weights.
        preprocessing: How images become tensors, in timm's words.
        folded_from: The placement that was trained, if gates were fused away since.
        class_names: The names of the classes, in the order of the logits, if the data has names.
        format: The version of the description's format.
    """

    space: Space
    placement: str
    classes: int
    seed: int
    data: DataSource
    recipe: Recipe
    pretrained: str | None = None
    preprocessing: dict[str, Any] = {}
    folded_from: str | None = None
    class_names: tuple[str, ...] | None = None
    format: int = FORMATS["training"]

    @field_validator("format")
    @classmethod
    def _check_format(cls, version: int) -> int:
        check_format(version, "training", "it")
        return version

    @property
    def plugins(self) -> list[str]:
        """Return the names in it that stand for code outside the package."""
        return [*space_plugins(self.space), *[self.data.name] * imports_data(self.data.name)]


@dataclass(frozen=True)
class Checkpoint(TrainingFolder):
    """The folder of one training, with the network that was trained.

    Attributes:
        path: The folder.
        trust: Modules and plug-ins that may be imported though the training may be a stranger's.
    """

    trust: frozenset[str] = frozenset()

    @cached_property
    def description(self) -> TrainingDescription:
        """The description of the training; without trust, it names no plug-ins."""
        trusted = self.trust | recorded_names(self.path)
        return read_description(self.read_description(), str(self.description_file), trusted)

    @property
    def trained_placement(self) -> Placement:
        """The placement that was trained."""
        return self.description.space.parse(self.description.placement)

    def network(self, placement: Placement | str | None = None) -> nn.Module:
        """Build the trained network, in evaluation mode.

        Args:
            placement: The placement to build; the trained one if None.

        Raises:
            UserError: If the weights do not fit the placement.
        """
        chosen = placement or self.trained_placement
        network = prune(build(self.description.space, self.description.classes), chosen, fold=False)
        try:
            load_weights(network, self.weights_file)
        except UserError as error:
            difference = f"trained with placement {self.trained_placement}, read with {chosen}"
            raise UserError(f"{error} ({difference})") from error
        return network.eval()

    def network_with_slots(self) -> nn.Module:
        """Build the network with one slot per site; the used ones have the trained weights."""
        network = build(self.description.space, self.description.classes)
        pruned = prune(network, self.trained_placement, fold=False)
        load_weights(pruned, self.weights_file)
        paths = paths_before_pruning(network, self.trained_placement)
        for pruned_path, path in paths.items():
            targets = dict(_own_tensors(network.get_submodule(path)))
            for name, tensor in _own_tensors(pruned.get_submodule(pruned_path)):
                targets[name].data.copy_(tensor)
        return place(network, self.trained_placement).eval()


def read_description(fields: Any, what: str, trusted: Collection[str]) -> TrainingDescription:
    """Read the description of a training that may be a stranger's.

    Args:
        fields: Its fields.
        what: Where they stand, for error messages.
        trusted: Modules or plug-ins that it may name.

    Raises:
        UserError: If a field is wrong, or names a plug-in that is not trusted.
    """
    description = parse_fields(TrainingDescription, mark_foreign(fields, trusted), what)
    refuse_foreign(description.plugins, "this training")
    return description


def _own_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers of a module, without those of its parts."""
    yield from module.named_parameters(recurse=False)
    yield from module.named_buffers(recurse=False)


def open_checkpoint(path: str | Path | Checkpoint, trust: Collection[str] = ()) -> Checkpoint:
    """Open the folder of a training.

    Args:
        path: The folder, or the file of weights in it. A checkpoint is returned as it is.
        trust: Modules, or plug-ins such as "my_attn:SimAM", that it may import. Those of a run that
            this user started on this machine need not be named.

    Raises:
        UserError: If the folder is not of a training, or the training is not finished.

    Example:
        >>> network = open_checkpoint("results/tiny/first/retrain/1-0-1-0-seed0").network()
    """
    if isinstance(path, Checkpoint):
        trust = path.trust
    path = path.path if isinstance(path, Checkpoint) else Path(path)
    checkpoint = Checkpoint(path.parent if path.is_file() else path, frozenset(trust))
    treat_as_data(checkpoint.path)
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

    Args:
        run: The run.
        placement: The placement that was trained.
        recipe: A shipped recipe or a file; any recipe if None.
        seed: The seed of the training; any seed if None.

    Raises:
        UserError: If there is none, with the command that trains one.
    """
    trainings = run.trainings(placement, recipe=recipe, seed=seed)
    if not trainings:
        command = f"ean-search retrain {run.path} --placement {placement}"
        command += f" --recipe {recipe}" if recipe else ""
        command += "" if seed is None else f" --seed {seed}"
        others = sorted({training.seed for training in run.trainings(placement, recipe=recipe)})
        known = f" with seed {seed}, only with {', '.join(map(str, others))}" if others else ""
        raise UserError(f"{placement} is not retrained yet{known}: {command}")
    return Checkpoint(min(trainings, key=lambda training: training.seed).path, run.trust)


def find_only_placement(
    run: Run, recipe: str | None = None, seed: int | None = None
) -> Placement | None:
    """Return the placement that a run has retrained, or None if it has retrained none.

    Args:
        run: The run.
        recipe: A shipped recipe or a file; any recipe if None.
        seed: The seed of the training; any seed if None.

    Raises:
        UserError: If it has retrained several, with their names.
    """
    texts = sorted({training.placement for training in run.trainings(recipe=recipe, seed=seed)})
    if len(texts) > 1:
        names = _placement_names(run)
        known = [f"{text} ({', '.join(names[text])})" if names[text] else text for text in texts]
        raise UserError(
            f"{run.path} has {len(texts)} retrained placements: {', '.join(known)}; "
            f"name one, such as --placement {texts[0]}"
        )
    return run.space.parse(texts[0]) if texts else None


def _placement_names(run: Run) -> dict[str, list[str]]:
    """Return the names of placements in a run, by their text."""
    names: dict[str, list[str]] = defaultdict(list)
    for name in ("best", "knee", *run.space.named):
        with suppress(UserError):  # a run without finished trials has no best
            names[str(run.find(name))].append(name)
    return names


def preprocessing(data: Data) -> dict[str, Any]:
    """Describe how test images become tensors, in the words of timm's configurations."""
    size = [data.channels, data.image_size, data.image_size]
    if not isinstance(data.test, TensorSplit):
        # The transforms of image files are timm's, and fields that are missing mean ImageNet's.
        known = {"input_size": size, "crop_pct": 224 / 256, "interpolation": "bilinear"}
        if not isinstance(data.test, LoaderSplit) or data.test.mean_std is None:
            return known
        mean, std = data.test.mean_std
        return known | {"mean": list(mean), "std": list(std)}
    mean, std = data.test.mean_std or ((0.0,) * data.channels, (1.0,) * data.channels)
    return {
        "input_size": size,
        "crop_pct": 1.0,
        "interpolation": "bilinear",
        "mean": list(mean),
        "std": list(std),
    }
