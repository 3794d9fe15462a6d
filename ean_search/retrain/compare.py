"""Compares a placement with others, all retrained with the same seeds, and times them together.

A seed gives every placement the same start of the backbone and the same order of the same images.
The figure to trust is therefore the mean difference over seeds, with its 95 % interval (Student's
t).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import nn

from ean_search.analysis.run_folder import COMPARISON_NAME, Run
from ean_search.core.space import Placement
from ean_search.costs.flops import count_flops, count_params
from ean_search.costs.network_latency import measure_latency
from ean_search.networks.builder import build, prune
from ean_search.retrain.retrain import RetrainingPlan
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_csv
from ean_search.utils.progress import Progress, silent

log = logging.getLogger(__name__)
DRAWS_PER_PLACEMENT = 100  # before random placements count as exhausted
Accuracies = Mapping[tuple[Placement, int], float]  # by placement and seed
ComparedPlacements = Mapping[str, Sequence[Placement]]  # by name; several stand for their mean


def select_placements(run: Run, name: str, others: str, seed: int = 0) -> ComparedPlacements:
    """Find a placement and those to compare it with.

    Args:
        run: Knows the names.
        name: The name or the text of the placement, such as "best" or "1-0-1-0".
        others: Names and texts, separated by commas; "random:N" stands for N random placements
            with as many attachments.
        seed: Of the random placements.

    Returns:
        Placements by name, the first being the one that others are compared with.
    """
    first = run.find(name)
    chosen = {name: [first]}
    for other in filter(None, (part.strip() for part in others.split(","))):
        kind, _, count = other.partition(":")
        if kind != "random":
            chosen[other] = [run.find(other)]
        elif not (count or "1").isdigit():
            raise UserError(f"expected random:N, got {other!r}")
        elif random := _draw_placements(run, first, int(count or 1), seed):
            chosen[other] = random
    return chosen


def _draw_placements(run: Run, first: Placement, count: int, seed: int) -> list[Placement]:
    """Draw other placements with as many attachments as the first one."""
    rng, drawn = np.random.default_rng((seed, 1)), {first: None}
    for _ in range(DRAWS_PER_PLACEMENT * count):
        if len(drawn) <= count:
            drawn.setdefault(run.space.sample(rng, attached=first.attached))
    if len(drawn) <= count:
        words = "%d of %d random placements: there are no more with %d attachments"
        log.warning(words, len(drawn) - 1, count, first.attached)
    return list(drawn)[1:]


def compare(
    plan: RetrainingPlan,
    chosen: ComparedPlacements,
    seeds: Sequence[int],
    progress: Progress = silent,
    rounds: int = 50,
) -> pd.DataFrame:
    """Retrain all placements with all seeds; finished trainings are only read.

    Args:
        plan: How to retrain.
        chosen: Placements by name; the others are compared with the first.
        seeds: The seeds of the trainings.
        rounds: How often each network is timed.

    Returns:
        One row per name; see `tabulate`.
    """

    def train(placement: Placement, seed: int) -> float:
        return float(plan.train(placement, seed, progress)["test_accuracy"])

    placements = unique_placements(plan.run, chosen)
    accuracies = train_paired(train, placements, seeds, progress)
    return tabulate(chosen, seeds, accuracies, price_and_time(plan, placements, rounds))


def train_paired(
    train: Callable[[Placement, int], float],
    placements: Sequence[Placement],
    seeds: Sequence[int],
    progress: Progress,
) -> Accuracies:
    """Train all placements with one seed, then with the next.

    Args:
        train: Trains a placement with a seed, and returns its accuracy or another score.
        placements: The placements.
        seeds: The seeds.
        progress: Is told how many trainings are done.

    Returns:
        The score of each placement and seed.
    """
    accuracies = {}
    for seed in seeds:
        for placement in placements:
            accuracies[placement, seed] = train(placement, seed)
            progress("trainings", len(accuracies), len(placements) * len(seeds))
    return accuracies


def unique_placements(run: Run, chosen: ComparedPlacements) -> list[Placement]:
    """List each chosen placement once.

    Raises:
        UserError: If the run has not measured its costs yet.
    """
    if not run.costs_file.is_file():
        raise UserError(f"{run.path} has no costs yet: ean-search resume {run.path}")
    return list(dict.fromkeys(p for placements in chosen.values() for p in placements))


def tabulate(
    chosen: ComparedPlacements,
    seeds: Sequence[int],
    accuracies: Accuracies,
    costs: pd.DataFrame,
) -> pd.DataFrame:
    """Tabulate the accuracies, or other scores, and the costs of compared placements.

    Args:
        chosen: Placements by name.
        seeds: The seeds of the trainings.
        accuracies: The score of each placement and seed.
        costs: One row of figures per placement, indexed by its text.

    Returns:
        One row per name: mean and deviation of its accuracy over seeds, the mean of the paired
        differences between the first name and this one with its 95 % interval (`low`, `high`),
        and mean costs.
    """
    by_name = {
        name: np.array([np.mean([accuracies[p, seed] for p in placements]) for seed in seeds])
        for name, placements in chosen.items()
    }
    first = next(iter(by_name.values()))
    rows = [
        {"name": name, "placement": " ".join(map(str, placements)), "seeds": len(seeds)}
        | _describe_accuracies(by_name[name], first)
        | costs.loc[list(map(str, placements))].mean().to_dict()
        for name, placements in chosen.items()
    ]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def each_training(
    plan: RetrainingPlan, chosen: ComparedPlacements, seeds: Sequence[int]
) -> pd.DataFrame:
    """Return one row per finished training: name, placement, seed and test accuracy."""
    table: pd.DataFrame = pd.DataFrame(_finished_trainings(plan, chosen, seeds))
    return table


def save_comparison(plan: RetrainingPlan, frame: pd.DataFrame, trainings: pd.DataFrame) -> Path:
    """Write both tables beside the trainings, and return the path of the comparison."""
    folder = plan.checkpoint(plan.space.named["none"], 0).path.parent
    folder.mkdir(parents=True, exist_ok=True)
    save_csv(trainings, folder / "trainings.csv")
    save_csv(frame, folder / COMPARISON_NAME, "%.6g")
    return folder / COMPARISON_NAME


def _finished_trainings(
    plan: RetrainingPlan, chosen: ComparedPlacements, seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    for name, placements in chosen.items():
        for placement in placements:
            for seed in seeds:
                metrics = plan.checkpoint(placement, seed).read_metrics()
                if metrics:
                    row = {"name": name, "placement": str(placement), "seed": seed}
                    yield row | {"test_accuracy": metrics["test_accuracy"]}


def _describe_accuracies(values: np.ndarray, first: np.ndarray) -> dict[str, float]:
    """Describe accuracies (seeds,), and how far those of the first placement lie above them."""
    mean, half = paired_interval(first - values)
    return {
        "accuracy": float(values.mean()),
        "deviation": float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
        "found_minus_this": mean,
        "low": mean - half,
        "high": mean + half,
    }


def paired_interval(differences: np.ndarray) -> tuple[float, float]:
    """Return the mean of paired differences, and half the width of its 95 % interval.

    The half width of a single difference is NaN.
    """
    count, mean = len(differences), float(differences.mean())
    if count < 2:
        return mean, float("nan")
    error = differences.std(ddof=1) / np.sqrt(count)
    return mean, float(stats.t.ppf(0.975, count - 1) * error)


def price_and_time(
    plan: RetrainingPlan, placements: Sequence[Placement], rounds: int = 50
) -> pd.DataFrame:
    """Count and time pruned networks in turn, the plain and the full one among them.

    Returns:
        One row per placement, indexed by its text: attached sites, parameters, MACs, FLOPs and
        latency, also as a multiple of the plain network's. `latency_removed` is the share of the
        latency that attention everywhere adds and this placement does not; it has no meaning where
        attention adds next to nothing.
    """
    table, none, full = plan.run.read_costs(), plan.space.named["none"], plan.space.named["all"]
    network = build(plan.space, plan.data.classes).eval()
    timed = list(dict.fromkeys([none, full, *placements]))
    networks = {str(placement): prune(network, placement).eval() for placement in timed}
    image = torch.zeros(1, table.channels, table.image_size, table.image_size)
    rows = [{"sites": p.attached, **_count(networks[str(p)], image)} for p in timed]
    frame = pd.DataFrame(rows, index=list(networks))
    latency = pd.Series(measure_latency(networks, table, plan.experiment.device, rounds))
    plain, added = latency[str(none)], latency[str(full)] - latency[str(none)]
    frame["latency_ms"], frame["latency_x"] = latency, latency / plain
    frame["latency_removed"] = 1 - (latency - plain) / added
    compared: pd.DataFrame = frame.loc[[str(placement) for placement in placements]]
    return compared


def _count(network: nn.Module, image: torch.Tensor) -> dict[str, int]:
    macs, flops = count_flops(network, image)
    return {"params": count_params(network), "macs": macs, "flops": flops}
