"""What weight-sharing networks estimate of every placement, for recipes of training them.

Every recipe sees as many images as every other: `sandwich` and `complement`, which pass a batch
several times a step, get as many epochs fewer. One line a network is appended to a file, so that
it can be stopped, continued and shared among processes like the trainings they are compared with.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from ean_search.bench.lines import add_line, read_lines, share
from ean_search.bench.truth import claim
from ean_search.data import Data, load_data
from ean_search.evaluate import SharedWeights
from ean_search.evaluators import calibration_images
from ean_search.experiment import Experiment
from ean_search.lookup import UserError
from ean_search.network import build
from ean_search.progress import Progress, silent
from ean_search.sampling import find_sampler
from ean_search.supernet import Supernet, train_supernet

PASSES = {"complement": 2, "sandwich": 4}  # of a batch, in one step; other rules make one
CALIBRATION = (0, 256)  # images that set norm statistics, at each estimate
NETWORK = ("variant", "epochs", "calibration_images", "seed")  # whose estimates a line holds


@dataclass(frozen=True)
class Variant:
    """One way to train the weight-sharing network."""

    sampler: str = "uniform-count"
    per_sample: bool = False
    distil: bool = False
    other_gates: bool = False  # unit gates where the space has plain ones, and the other way round

    @property
    def passes(self) -> int:
        """Count the passes of a batch in one step."""
        return PASSES.get(self.sampler, 1)


VARIANTS: Mapping[str, Variant] = {
    "bernoulli": Variant("bernoulli"),
    "uniform-count": Variant(),
    "per sample": Variant(per_sample=True),
    "complement": Variant("complement"),
    "sandwich": Variant("sandwich"),
    "sandwich, distilled": Variant("sandwich", distil=True),
    "other gates": Variant(other_gates=True),
}


def default_epochs(experiment: Experiment, variants: Iterable[Variant]) -> int:
    """Give a network for all placements as many epochs as one for one, if rules can share them out.

    After more it may know, with any placement, what those trained alone have yet to find out.
    """
    whole = math.lcm(*(variant.passes for variant in variants))
    return whole * math.ceil(experiment.supernet.recipe.epochs / whole)


def own_variant(supernet: Supernet) -> tuple[str, Variant]:
    """Return the way that an experiment goes, by its name if it has one."""
    distil = supernet.distil and find_sampler(supernet.sampler).teacher
    own = Variant(supernet.sampler, supernet.per_sample, distil)
    return next((pair for pair in VARIANTS.items() if pair[1] == own), ("own", own))


def check_epochs(variants: Iterable[Variant], epochs: int) -> None:
    """Refuse epochs that a rule cannot share out among its passes."""
    for variant in variants:
        if epochs % variant.passes:
            what = f"a multiple of {variant.passes} epochs for {variant.sampler!r}"
            raise UserError(f"expected {what}, got {epochs}")


def train_networks(
    experiment: Experiment,
    path: Path,
    variants: Mapping[str, Variant],
    *,
    seeds: int,
    epochs: int,
    progress: Progress = silent,
    part: tuple[int, int] = (1, 1),
) -> None:
    """Train the networks that are not in the file yet, or a part of them."""
    check_epochs(variants.values(), epochs)
    claim(experiment, path)
    todo = missing_networks(path, variants, seeds=seeds, epochs=epochs, part=part)
    data = load_data(experiment.data) if todo else None
    for number, (name, seed) in enumerate(todo):
        progress("supernets", number, len(todo), name)
        for images, estimates in _estimate(experiment, data, variants[name], seed, epochs):
            row = {"variant": name, "epochs": epochs, "calibration_images": images, "seed": seed}
            add_line(path, row | {"estimates": estimates})
    if todo:
        progress("supernets", len(todo), len(todo))


def read_estimates(path: Path) -> pd.DataFrame:
    """Read all estimates: variant, epochs, calibration_images, seed, placement, estimate."""
    frames = [
        pd.DataFrame({"placement": list(row["estimates"]), "estimate": row["estimates"].values()})
        .assign(**{key: row[key] for key in NETWORK})
        for row in read_lines(path)
    ]  # fmt: skip
    every = pd.concat(frames) if frames else pd.DataFrame(columns=[*NETWORK, "placement"])
    return every.drop_duplicates([*NETWORK, "placement"], ignore_index=True)


def missing_networks(
    path: Path,
    variants: Iterable[str],
    *,
    seeds: int,
    epochs: int,
    part: tuple[int, int] = (1, 1),
) -> list[tuple[str, int]]:
    """List the variants and seeds of a part whose estimates are not complete."""
    found = {
        (row["variant"], row["seed"], row["calibration_images"])
        for row in read_lines(path)
        if row["epochs"] == epochs
    }
    return [
        (name, seed)
        for name, seed in share(list(product(variants, range(seeds))), part)
        if any((name, seed, images) not in found for images in CALIBRATION)
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
    update = {"epochs": epochs // variant.passes}
    supernet = Supernet(
        sampler=variant.sampler,
        per_sample=variant.per_sample,
        distil=variant.distil,
        recipe=recipe.model_copy(update=update),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "supernet.safetensors"
        train_supernet(
            network, space, data.train, supernet, path, seed=seed, device=experiment.device
        )
    placements = space.enumerate()
    for images in CALIBRATION:
        evaluator = SharedWeights(
            network,
            data.search,
            experiment.eval_batch,
            experiment.device,
            calibration_images(data, images),
        )
        measured = [result.accuracy for result in evaluator.evaluate(placements)]
        yield images, dict(zip(map(str, placements), measured, strict=True))
