"""What weight-sharing networks estimate of every placement, for recipes of training them.

Every recipe sees as many images as every other: `sandwich` and `complement`, which pass a batch
several times a step, go through the data as many times fewer. One line a network is appended to a
file: it can be stopped, continued and shared among processes like the trainings it is judged by.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from ean_search.bench.ground_truth import check_origin, take_part
from ean_search.core.space import Space
from ean_search.data.datasets import Data, load_data
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build
from ean_search.runs.evaluator_factory import calibration_images
from ean_search.runs.experiment import Experiment
from ean_search.training.path_sampling import find_path_sampler
from ean_search.training.supernet import Supernet, train_supernet
from ean_search.training.trainer import TrainingContext
from ean_search.utils.errors import UserError
from ean_search.utils.jsonl import append_row, read_rows
from ean_search.utils.progress import Progress, silent

CALIBRATION = (0, 256)  # images that set norm statistics, at each estimate
NETWORK = ("variant", "epochs", "calibration_images", "seed")  # whose estimates a line holds


@dataclass(frozen=True)
class Variant:
    """One way to train the weight-sharing network."""

    sampler: str = "uniform-count"
    per_sample: bool = False
    distil: bool = False
    other_gates: bool = False  # unit gates where the space has plain ones, and the other way round

    def passes(self, space: Space) -> int:
        """Count the passes of a batch in one step."""
        return len(find_path_sampler(self.sampler).draw(space, np.random.default_rng(0)))


VARIANTS: Mapping[str, Variant] = {
    "bernoulli": Variant("bernoulli"),
    "uniform-count": Variant(),
    "per sample": Variant(per_sample=True),
    "complement": Variant("complement"),
    "sandwich": Variant("sandwich"),
    "sandwich, distilled": Variant("sandwich", distil=True),
    "other gates": Variant(other_gates=True),
}


def own_variant(supernet: Supernet) -> tuple[str, Variant]:
    """Return the way that an experiment goes, by its name if it has one."""
    distil = supernet.distil and find_path_sampler(supernet.sampler).teacher
    own = Variant(supernet.sampler, supernet.per_sample, distil)
    return next((pair for pair in VARIANTS.items() if pair[1] == own), ("own", own))


def plan_epochs(
    experiment: Experiment, variants: Mapping[str, Variant], epochs: int | None
) -> dict[str, int]:
    """Give each variant its epochs: as asked for, or as many as those trained alone get.

    After more, a network may know with any placement what those have yet to find out. Passes of a
    batch have to share them out: by default they are rounded up.
    """
    plan = {}
    for name, variant in variants.items():
        passes = variant.passes(experiment.space)
        plan[name] = epochs or passes * math.ceil(experiment.supernet.recipe.epochs / passes)
        if plan[name] % passes:
            what = f"a multiple of {passes} epochs for {variant.sampler!r}"
            raise UserError(f"expected {what}, got {epochs}")
    return plan


def train_networks(
    experiment: Experiment,
    path: Path,
    variants: Mapping[str, Variant],
    plan: Mapping[str, int],
    *,
    seeds: int,
    progress: Progress = silent,
    part: tuple[int, int] = (1, 1),
) -> None:
    """Train the networks that are not in the file yet, or a part of them, for planned epochs."""
    check_origin(experiment, path)
    todo = missing_networks(path, plan, seeds=seeds, part=part)
    data = load_data(experiment.data) if todo else None
    for number, (name, seed) in enumerate(todo):
        progress("supernets", number, len(todo), name)
        row = {"variant": name, "epochs": plan[name], "seed": seed}
        for images, estimates in _estimate(experiment, data, variants[name], seed, plan[name]):
            append_row(path, row | {"calibration_images": images, "estimates": estimates})
    if todo:
        progress("supernets", len(todo), len(todo))


def read_estimates(path: Path) -> pd.DataFrame:
    """Read all estimates: variant, epochs, calibration_images, seed, placement, estimate."""
    frames = [
        pd.DataFrame({"placement": list(row["estimates"]), "estimate": row["estimates"].values()})
        .assign(**{key: row[key] for key in NETWORK})
        for row in read_rows(path)
    ]  # fmt: skip
    every = pd.concat(frames) if frames else pd.DataFrame(columns=[*NETWORK, "placement"])
    return every.drop_duplicates([*NETWORK, "placement"], ignore_index=True)


def missing_networks(
    path: Path, plan: Mapping[str, int], *, seeds: int, part: tuple[int, int] = (1, 1)
) -> list[tuple[str, int]]:
    """List the variants and seeds of a part whose estimates, after their epochs, are incomplete."""
    found = {tuple(row[key] for key in NETWORK) for row in read_rows(path)}
    return [
        (name, seed)
        for name, seed in take_part(list(product(plan, range(seeds))), part)
        if any((name, plan[name], images, seed) not in found for images in CALIBRATION)
    ]


def _estimate(
    experiment: Experiment, data: Data, variant: Variant, seed: int, epochs: int
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train one network for all placements, and yield its estimates for each calibration."""
    space = experiment.space
    if variant.other_gates:
        space = space.model_copy(update={"unit_gate": not space.unit_gate})
    network = build(space, data.classes, seed)
    recipe = experiment.supernet.recipe
    update = {"epochs": epochs // variant.passes(space)}
    supernet = Supernet(
        sampler=variant.sampler,
        per_sample=variant.per_sample,
        distil=variant.distil,
        recipe=recipe.model_copy(update=update),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "supernet.safetensors"
        context = TrainingContext(seed=seed, device=experiment.device)
        train_supernet(network, space, data.train, supernet, path, context)
    placements = space.enumerate()
    for images in CALIBRATION:
        evaluator = SharedWeightsEvaluator(
            network,
            data.search,
            experiment.eval_batch,
            experiment.device,
            calibration_images(data, images),
        )
        measured = [result.accuracy for result in evaluator.evaluate(placements)]
        yield images, dict(zip(map(str, placements), measured, strict=True))
