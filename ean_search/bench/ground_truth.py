"""Every placement of a small space trained on its own: what estimates are to be compared with.

One line a training is appended to a file, so that it can be stopped and continued, shared among
processes, and extended by more seeds. All placements of a seed share the order of the data and the
first weights. What the spread between placements is worth beside that between seeds, `noise` says.
"""

import json
import math
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution

from ean_search.core.space import Placement, Space
from ean_search.data.datasets import load_data
from ean_search.evaluation.shared_weights import score
from ean_search.networks.builder import build, prune
from ean_search.runs.experiment import Experiment, load_experiment
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.errors import UserError
from ean_search.utils.files import check_same_settings
from ean_search.utils.jsonl import append_row, read_rows
from ean_search.utils.progress import Progress, silent

T = TypeVar("T")
MOST = 1024  # placements that anybody would train one by one


def train_all(
    experiment: Experiment,
    path: Path,
    seeds: int,
    progress: Progress = silent,
    part: tuple[int, int] = (1, 1),
    pilot: int | None = None,
) -> pd.DataFrame:
    """Train what is not in the file yet, or a part of it; return accuracies on the search split.

    A pilot trains some placements only, to see whether the task tells them apart.
    """
    check_origin(experiment, path)
    todo = missing(experiment, path, seeds, part, pilot)
    data = load_data(experiment.data) if todo else None
    for number, (seed, placement) in enumerate(todo):
        progress("stand-alone training", number, len(todo), str(placement))
        network = prune(build(experiment.space, data.classes, seed), placement)
        context = TrainingContext(seed=seed, device=experiment.device)
        fit(network, data.train, experiment.supernet.recipe, context)
        batches = data.search.batches(experiment.eval_batch, device=experiment.device)
        accuracy = score(network, batches)
        append_row(path, {"placement": str(placement), "seed": seed, "accuracy": accuracy})
    if todo:
        progress("stand-alone training", len(todo), len(todo))
    truth = read_truth(path)
    return truth[truth.seed < seeds].reset_index(drop=True)


def check_origin(experiment: Experiment, path: Path) -> None:
    """Write beside a file what its lines come from, and refuse to add any of another origin."""
    beside = path.with_name(f"{path.stem}_origin.json")
    check_same_settings(
        _origin(experiment),
        beside,
        advice=f"{path} was made with them, so name another file",
        read=lambda: _origin(load_experiment(None, json.loads(beside.read_text()))),
    )


def _origin(experiment: Experiment) -> dict[str, Any]:
    """Return the fields of an experiment that accuracies depend on."""
    fields = {"space": True, "data": True, "supernet": {"recipe"}}
    return experiment.model_dump(mode="json", include=fields)


def missing(
    experiment: Experiment,
    path: Path,
    seeds: int,
    part: tuple[int, int] = (1, 1),
    pilot: int | None = None,
) -> list[tuple[int, Placement]]:
    """List the seeds and placements of a part, or of a pilot's, that were not trained yet."""
    space = experiment.space
    if space.size > MOST:
        raise UserError(
            f"expected a space of at most {MOST} placements, got {space.size:,} in {space.name!r}"
        )
    known = read_truth(path)
    done = set(zip(known.placement, known.seed, strict=True))
    wanted = space.enumerate() if pilot is None else _pick(space, pilot)
    work = take_part(list(product(range(seeds), wanted)), part)
    return [(seed, placement) for seed, placement in work if (str(placement), seed) not in done]


def take_part(work: list[T], part: tuple[int, int]) -> list[T]:
    """Return one of several even parts of a list: of (1, 2) every other entry, from the first."""
    number, parts = part
    return work[number - 1 :: parts]


def _pick(space: Space, count: int) -> list[Placement]:
    """Choose placements for a pilot: nothing, everything, and others with any number of sites."""
    chosen = dict.fromkeys([space.named["none"], space.named["all"]])
    rng = np.random.default_rng(0)
    while len(chosen) < min(count, space.size):
        chosen.setdefault(space.sample(rng))
    return list(chosen)


def read_truth(path: Path) -> pd.DataFrame:
    """Read what has been trained so far; of what was trained twice, the first."""
    frame = pd.DataFrame(read_rows(path), columns=["placement", "seed", "accuracy"])
    return frame.drop_duplicates(["placement", "seed"], ignore_index=True)


def noise(accuracies: pd.DataFrame) -> dict[str, float]:
    """Compare placements with seeds: accuracies have a row a placement and a column a seed."""
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
    """Say which Kendall's tau with the means would be expected of who knew what is behind them.

    Means are true in a share 1 - 1 / F of their variance. The rest is luck, taken to be normal.
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
