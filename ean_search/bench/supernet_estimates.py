"""What weight-sharing networks estimate of every placement, for different ways to train them.

Every way sees as many images as every other: `sandwich` and `complement`, which pass a batch
several times per step, take fewer passes through the data. One line per network and calibration is
appended to a file, so the work can be stopped, continued and shared among processes like the
trainings that estimates are compared with.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from torch import nn

from ean_search.bench.ground_truth import check_origin, take_part
from ean_search.core.space import Space
from ean_search.data.datasets import Data, load_data
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.pretrained import build_on
from ean_search.runs.evaluator_factory import calibration_images
from ean_search.runs.experiment import Experiment
from ean_search.runs.pretrained_start import backbone_weights, pretrained_backbone
from ean_search.training.path_sampling import find_path_sampler
from ean_search.training.supernet import SupernetSettings, train_supernet
from ean_search.training.trainer import TrainingContext
from ean_search.utils.errors import UserError
from ean_search.utils.jsonl import append_row, read_rows
from ean_search.utils.progress import Progress, silent

CALIBRATION_IMAGES = (0, 256)  # that set norm statistics for each estimate
NETWORK_COLUMNS = ("variant", "epochs", "calibration_images", "seed")  # the key of a line


@dataclass(frozen=True)
class Variant:
    """One way to train the weight-sharing network."""

    path_sampler: str = "uniform-count"
    per_sample: bool = False
    distil: bool = False
    other_gates: bool = False  # unit gates where the space has plain ones, and vice versa

    def passes(self, space: Space) -> int:
        """Count the passes of a batch in one step."""
        return len(find_path_sampler(self.path_sampler).draw(space, np.random.default_rng(0)))


VARIANTS: Mapping[str, Variant] = {
    "bernoulli": Variant("bernoulli"),
    "uniform-count": Variant(),
    "per sample": Variant(per_sample=True),
    "complement": Variant("complement"),
    "sandwich": Variant("sandwich"),
    "sandwich, distilled": Variant("sandwich", distil=True),
    "other gates": Variant(other_gates=True),
}


def variant_of(supernet: SupernetSettings) -> tuple[str, Variant]:
    """Return the variant that an experiment uses, and its name; "own" if it is not listed."""
    distil = supernet.distil and find_path_sampler(supernet.sampler).teacher
    own = Variant(supernet.sampler, supernet.per_sample, distil)
    return next((pair for pair in VARIANTS.items() if pair[1] == own), ("own", own))


@dataclass(frozen=True)
class NetworkPlan:
    """The networks to train: each variant for its epochs with several seeds, or a part of them."""

    variants: Mapping[str, Variant]
    epochs: Mapping[str, int]  # of each variant
    seeds: int = 3  # 0, 1, ...
    part: tuple[int, int] = (1, 1)  # (i, n): the i-th of n even parts, counted from 1

    def networks(self) -> list[tuple[str, int]]:
        """List variants and seeds."""
        return take_part(list(product(self.variants, range(self.seeds))), self.part)


def plan_networks(
    experiment: Experiment,
    variants: Mapping[str, Variant] = VARIANTS,
    *,
    epochs: int | None = None,
    seeds: int = 3,
    part: tuple[int, int] = (1, 1),
) -> NetworkPlan:
    """Plan the training of variants.

    Args:
        experiment: The experiment whose space and recipe they use.
        variants: Variants by name.
        epochs: Passes through the data, all passes of a batch counted. By default those of
            stand-alone trainings, because with more a network may learn what those have not yet;
            rounded up to a multiple of a variant's passes.
        seeds: Networks per variant.
        part: (i, n) to train only the i-th of n even parts, counted from 1.

    Raises:
        UserError: If the passes of a variant do not divide the epochs asked for.
    """
    planned = {name: _plan_epochs(experiment, v, epochs) for name, v in variants.items()}
    return NetworkPlan(variants, planned, seeds, part)


def _plan_epochs(experiment: Experiment, variant: Variant, epochs: int | None) -> int:
    """Check the epochs of a variant, or choose them."""
    passes = variant.passes(experiment.space)
    if epochs is None:
        return passes * math.ceil(experiment.supernet.recipe.epochs / passes)
    if epochs % passes:
        expected = f"a multiple of {passes} epochs for {variant.path_sampler!r}"
        raise UserError(f"expected {expected}, got {epochs}")
    return epochs


def train_networks(
    experiment: Experiment, path: Path, plan: NetworkPlan, progress: Progress = silent
) -> None:
    """Train the planned networks that are not in the file yet, and append their estimates.

    Args:
        experiment: The space, the data, the recipe and the device.
        path: JSON lines of estimates; created or continued.
        plan: The networks, see `plan_networks`.
        progress: Receives the number of finished networks.

    Raises:
        UserError: If the file holds estimates with other settings.
    """
    check_origin(experiment, path)
    if todo := missing_networks(path, plan):
        data = load_data(experiment.data)
        for number, (name, seed) in enumerate(todo):
            progress("supernets", number, len(todo), name)
            variant, epochs = plan.variants[name], plan.epochs[name]
            network = _train(experiment, data, variant, seed, epochs)
            row = {"variant": name, "epochs": epochs, "seed": seed}
            for images, estimates in _estimate(experiment, data, network):
                append_row(path, row | {"calibration_images": images, "estimates": estimates})
        progress("supernets", len(todo), len(todo))


def missing_networks(path: Path, plan: NetworkPlan) -> list[tuple[str, int]]:
    """List the planned variants and seeds whose estimates are not all in the file."""
    known = {tuple(row[key] for key in NETWORK_COLUMNS) for row in read_rows(path)}
    return [
        (name, seed)
        for name, seed in plan.networks()
        if any((name, plan.epochs[name], n, seed) not in known for n in CALIBRATION_IMAGES)
    ]


def read_estimates(path: Path) -> pd.DataFrame:
    """Read all estimates: variant, epochs, calibration_images, seed, placement, estimate."""
    frames = [
        pd.DataFrame(row["estimates"].items(), columns=["placement", "estimate"]).assign(
            **{key: row[key] for key in NETWORK_COLUMNS}
        )
        for row in read_rows(path)
    ]
    key = [*NETWORK_COLUMNS, "placement"]
    estimates = pd.concat(frames) if frames else pd.DataFrame(columns=key)
    return estimates.drop_duplicates(key, ignore_index=True)


def _train(
    experiment: Experiment, data: Data, variant: Variant, seed: int, epochs: int
) -> nn.Module:
    """Train one network for all placements."""
    space = experiment.space
    if variant.other_gates:
        space = space.model_copy(update={"unit_gate": not space.unit_gate})
    update = {"epochs": epochs // variant.passes(space)}
    changes = {
        "sampler": variant.path_sampler,
        "per_sample": variant.per_sample,
        "distil": variant.distil,
        "recipe": experiment.supernet.recipe.model_copy(update=update),
    }
    supernet = experiment.supernet.model_copy(update=changes)
    teacher = pretrained_backbone(experiment, data)
    network = build_on(space, data.classes, seed, backbone_weights(teacher))
    context = TrainingContext(seed=seed, device=experiment.device, teacher=teacher)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "supernet.safetensors"
        train_supernet(network, space, data.train, supernet, path, context)
    return network


def _estimate(
    experiment: Experiment, data: Data, network: nn.Module
) -> Iterator[tuple[int, dict[str, float | None]]]:
    """Yield a network's estimates of all placements, for each number of calibration images."""
    placements = experiment.space.enumerate()
    for count in CALIBRATION_IMAGES:
        evaluator = SharedWeightsEvaluator(
            network,
            data.search,
            experiment.eval_batch,
            experiment.device,
            calibration_images(data, count),
        )
        estimates = [result.accuracy for result in evaluator.evaluate(placements)]
        yield count, dict(zip(map(str, placements), estimates, strict=True))
