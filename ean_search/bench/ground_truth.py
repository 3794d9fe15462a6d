"""Every placement of a small space trained on its own: the truth that estimates are compared with.

One line per training is appended to a file, so that the work can be stopped and continued, shared
among processes, and extended by more seeds. All placements of a seed share the order of the data
and the first weights. `noise_statistics` compares the spread between placements with that between
seeds.
"""

import json
import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from torch import Tensor

from ean_search.core.space import Placement, Space
from ean_search.data.datasets import Data, load_data
from ean_search.evaluation.shared_weights import top1_accuracy
from ean_search.networks.builder import prune
from ean_search.networks.pretrained import build_on
from ean_search.runs.experiment import Experiment, experiment_plugins, load_experiment
from ean_search.runs.pretrained_start import backbone_weights, pretrained_backbone
from ean_search.runs.resolve_experiment import resolve
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.errors import UserError
from ean_search.utils.files import check_same_settings
from ean_search.utils.jsonl import append_row, read_rows
from ean_search.utils.progress import Progress, silent
from ean_search.utils.trust import mark_foreign

T = TypeVar("T")
MAX_PLACEMENTS = 1024  # of a space whose placements are all trained
COLUMNS = ["placement", "seed", "accuracy"]


def train_all(
    experiment: Experiment,
    path: Path,
    seeds: int,
    progress: Progress = silent,
    part: tuple[int, int] = (1, 1),
    pilot: int | None = None,
) -> pd.DataFrame:
    """Train every placement that is not in the file yet.

    Args:
        experiment: The space, the data and the recipe of training.
        path: JSON lines of finished trainings; created or continued.
        seeds: Trainings per placement, with the seeds 0, 1, ...
        progress: Receives the number of finished trainings.
        part: (i, n) to do only the i-th of n even parts, counted from 1.
        pilot: Number of placements to train only, to see whether the task tells them apart.

    Returns:
        One row per training in the file: placement, seed, accuracy on the search split.

    Raises:
        UserError: If the space is too large, or the file holds trainings with other settings.
    """
    check_origin(experiment, path)
    if todo := missing_trainings(experiment, path, seeds, part, pilot):
        data = load_data(experiment.data)
        weights = backbone_weights(pretrained_backbone(experiment, data, progress))
        for number, (seed, placement) in enumerate(todo):
            progress("stand-alone training", number, len(todo), str(placement))
            accuracy = _train_one(experiment, data, weights, placement, seed)
            append_row(path, {"placement": str(placement), "seed": seed, "accuracy": accuracy})
        progress("stand-alone training", len(todo), len(todo))
    truth = read_truth(path)
    return truth[truth.seed < seeds].reset_index(drop=True)


def _train_one(
    experiment: Experiment,
    data: Data,
    weights: Mapping[str, Tensor] | None,
    placement: Placement,
    seed: int,
) -> float:
    """Train one placement's network, and return its accuracy on the search split."""
    network = build_on(experiment.space, data.classes, seed, weights)
    network = prune(network, placement, fold=False)
    context = TrainingContext(seed=seed, device=experiment.device)
    fit(network, data.train, experiment.supernet.recipe, context)
    return top1_accuracy(
        network, data.search.batches(experiment.eval_batch, device=experiment.device)
    )


def check_origin(experiment: Experiment, path: Path) -> None:
    """Write the settings behind a file beside it, or refuse to add results of other settings."""
    origin_file = path.with_name(f"{path.stem}_origin.json")

    def read() -> dict[str, Any]:
        stored = json.loads(origin_file.read_text())
        own = mark_foreign(stored, experiment_plugins(experiment))
        return _origin(resolve(load_experiment(None, own)))

    check_same_settings(
        _origin(experiment),
        origin_file,
        advice=f"{path} was made with them, so name another file",
        read=read,
    )


def _origin(experiment: Experiment) -> dict[str, Any]:
    """Return the fields of an experiment that accuracies depend on."""
    fields = experiment.model_dump(mode="json", include={"space", "data", "supernet"})
    first = {key: fields["supernet"][key] for key in ("recipe", "pretrained")}
    return fields | {"supernet": first}


def missing_trainings(
    experiment: Experiment,
    path: Path,
    seeds: int,
    part: tuple[int, int] = (1, 1),
    pilot: int | None = None,
) -> list[tuple[int, Placement]]:
    """List the seeds and placements of a part that are not in the file yet.

    The arguments are those of `train_all`.
    """
    space = experiment.space
    if space.size > MAX_PLACEMENTS:
        limit = f"at most {MAX_PLACEMENTS} placements"
        raise UserError(f"expected a space of {limit}, got {space.size:,} in {space.name!r}")
    known = read_truth(path)
    done = set(zip(known.placement, known.seed, strict=True))
    placements = space.enumerate() if pilot is None else _pick_for_pilot(space, pilot)
    work = take_part(list(product(range(seeds), placements)), part)
    return [(seed, placement) for seed, placement in work if (str(placement), seed) not in done]


def take_part(work: list[T], part: tuple[int, int]) -> list[T]:
    """Return one of several even parts of a list: of (1, 2) every other entry, from the first."""
    number, parts = part
    return work[number - 1 :: parts]


def _pick_for_pilot(space: Space, count: int) -> list[Placement]:
    """Choose placements: none, all, and random ones with any number of sites."""
    chosen = dict.fromkeys([space.named["none"], space.named["all"]])
    rng = np.random.default_rng(0)
    while len(chosen) < min(count, space.size):
        chosen.setdefault(space.sample(rng))
    return list(chosen)


def read_truth(path: Path) -> pd.DataFrame:
    """Read the finished trainings; of a training that is there twice, the first line counts."""
    frame = pd.DataFrame(read_rows(path), columns=COLUMNS)
    return frame.drop_duplicates(["placement", "seed"], ignore_index=True)


def noise_statistics(accuracies: pd.DataFrame) -> dict[str, float]:
    """Compare the differences between placements with those between seeds.

    Args:
        accuracies: One row per placement and one column per seed.

    Returns:
        The F statistic and its p-value, the mean Kendall's tau between seeds, the greatest tau to
        expect with the means, and the standard deviation of the placements' means.
    """
    placements, seeds = accuracies.shape
    statistic = f_statistic(accuracies)
    freedom = placements - 1, (placements - 1) * (seeds - 1)
    between_seeds = accuracies.corr("kendall").to_numpy()[np.triu_indices(seeds, k=1)]
    return {
        "f_statistic": statistic,
        "p_value": float(f_distribution.sf(statistic, *freedom)),
        "tau_between_seeds": float(between_seeds.mean()),
        "best_tau": best_tau(statistic),
        "spread_of_placements": float(accuracies.mean(axis=1).std()),
    }


def best_tau(statistic: float) -> float:
    """Return the Kendall's tau with the mean accuracies that a perfect ranking would have.

    A share 1 - 1 / F of the variance of the means is true. The rest is noise, taken to be normal.
    """
    correlation = max(0.0, 1 - 1 / statistic) ** 0.5
    return 2 / math.pi * math.asin(correlation)


def f_statistic(accuracies: pd.DataFrame) -> float:
    """Compare the spread between placements with what is left within them, seeds being paired."""
    table = accuracies.to_numpy(float)
    placements, seeds = table.shape
    rows, columns = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    rest = table - rows - columns + table.mean()
    between = seeds * rows.var(ddof=1)
    within = (rest**2).sum() / ((placements - 1) * (seeds - 1))
    return float(between / within) if within else math.inf
