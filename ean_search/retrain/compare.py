"""Compares a placement with others, all retrained with the same seeds, and times them together.

A seed gives every placement the same start of the backbone and the same order of the same images,
so what counts is the mean difference over seeds, with its 95 % interval (Student's t).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import stats

from ean_search.analysis.run_folder import Run
from ean_search.core.space import Placement
from ean_search.costs.flops import count_flops, count_params
from ean_search.costs.measure import measure_latency
from ean_search.networks.builder import build, prune
from ean_search.retrain.retrain import RetrainingPlan
from ean_search.utils.errors import UserError
from ean_search.utils.progress import Progress, silent

log = logging.getLogger(__name__)
ComparedPlacements = Mapping[str, Sequence[Placement]]  # by name; several stand for their mean


def select_placements(run: Run, name: str, others: str, seed: int = 0) -> ComparedPlacements:
    """Find a placement and those to compare it with: names, strings, or `random:N`."""
    found = run.find(name)
    chosen = {name: [found]}
    for other in filter(None, (part.strip() for part in others.split(","))):
        kind, _, count = other.partition(":")
        if kind != "random":
            chosen[other] = [run.find(other)]
        elif not (count or "1").isdigit():
            raise UserError(f"expected random:N, got {other!r}")
        elif drawn := _random(run, found, int(count or 1), seed):
            chosen[other] = drawn
    return chosen


def _random(run: Run, found: Placement, count: int, seed: int) -> list[Placement]:
    """Draw other placements with as many attachments as the one that was found."""
    rng, drawn = np.random.default_rng((seed, 1)), {found: None}
    for _ in range(100 * count):
        if len(drawn) <= count:
            drawn.setdefault(run.space.sample(rng, attached=found.attached))
    if len(drawn) <= count:
        words = "%d of %d random placements: there are no more with %d attachments"
        log.warning(words, len(drawn) - 1, count, found.attached)
    return list(drawn)[1:]


def compare(
    plan: RetrainingPlan,
    chosen: ComparedPlacements,
    seeds: Sequence[int],
    progress: Progress = silent,
    rounds: int = 50,
) -> pd.DataFrame:
    """Retrain all with all seeds, and return a row each; the first is who is compared."""
    placements = unique_placements(plan.run, chosen)

    def train(placement: Placement, seed: int) -> float:
        return plan.train(placement, seed, progress)["test_accuracy"]

    reached = train_paired(train, placements, seeds, progress)
    return tabulate(chosen, seeds, reached, price_and_time(plan, placements, rounds))


def train_paired(
    train: Callable[[Placement, int], float],
    placements: Sequence[Placement],
    seeds: Sequence[int],
    progress: Progress,
) -> dict[tuple[Placement, int], float]:
    """Train all placements with one seed after another, and return what each reached."""
    reached = {}
    for seed in seeds:
        for placement in placements:
            reached[placement, seed] = train(placement, seed)
            progress("trainings", len(reached), len(placements) * len(seeds))
    return reached


def unique_placements(run: Run, chosen: ComparedPlacements) -> list[Placement]:
    """List all select_placements once, if the run knows what things cost."""
    if not run.costs_file.is_file():
        raise UserError(f"{run.path} has no costs yet: ean-search resume {run.path}")
    return list(dict.fromkeys(p for several in chosen.values() for p in several))


def tabulate(
    chosen: ComparedPlacements,
    seeds: Sequence[int],
    reached: Mapping[tuple[Placement, int], float],
    costs: pd.DataFrame,
) -> pd.DataFrame:
    """Describe what every contestant reached with its seeds, beside what it costs."""
    accuracies = {
        name: np.array([np.mean([reached[p, seed] for p in several]) for seed in seeds])
        for name, several in chosen.items()
    }
    rows = [
        {"name": name, "placement": " ".join(map(str, several)), "seeds": len(seeds)}
        | _accuracy(accuracies[name], next(iter(accuracies.values())))
        | costs.loc[list(map(str, several))].mean().to_dict()
        for name, several in chosen.items()
    ]
    return pd.DataFrame(rows)


def each_training(
    plan: RetrainingPlan, chosen: ComparedPlacements, seeds: Sequence[int]
) -> pd.DataFrame:
    """Return a row a finished training."""
    rows = [
        {"name": name, "placement": str(placement), "seed": seed, "test_accuracy": accuracy}
        for name, placement, seed, accuracy in _finished(plan, chosen, seeds)
    ]
    return pd.DataFrame(rows)


def save_comparison(plan: RetrainingPlan, frame: pd.DataFrame, trainings: pd.DataFrame) -> Path:
    """Write both tables beside the trainings, and return where the comparison is."""
    folder = plan.checkpoint(plan.space.named["none"], 0).path.parent
    folder.mkdir(parents=True, exist_ok=True)
    trainings.to_csv(folder / "trainings.csv", index=False)
    frame.to_csv(folder / "comparison.csv", index=False, float_format="%.6g")
    return folder / "comparison.csv"


def _finished(
    plan: RetrainingPlan, chosen: ComparedPlacements, seeds: Sequence[int]
) -> Iterator[tuple[str, Placement, int, float]]:
    for name, several in chosen.items():
        for placement in several:
            for seed in seeds:
                metrics = plan.checkpoint(placement, seed).read_metrics()
                if metrics:
                    yield name, placement, seed, metrics["test_accuracy"]


def _accuracy(values: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Describe accuracies, and how far the found placement's lie above them, seed by seed."""
    mean, half = paired_interval(found - values)
    return {
        "accuracy": float(values.mean()),
        "deviation": float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
        "found_minus_this": mean,
        "low": mean - half,
        "high": mean + half,
    }


def paired_interval(differences: np.ndarray) -> tuple[float, float]:
    """Return the mean of paired differences, and half the width of its 95 % interval."""
    count, mean = len(differences), float(differences.mean())
    if count < 2:
        return mean, float("nan")
    error = differences.std(ddof=1) / np.sqrt(count)
    return mean, float(stats.t.ppf(0.975, count - 1) * error)


def price_and_time(
    plan: RetrainingPlan, placements: Sequence[Placement], rounds: int = 50
) -> pd.DataFrame:
    """Count and time the pruned networks, in turn, with the plain and the full one beside them."""
    table, device = plan.run.read_costs(), plan.experiment.device
    none, full = (plan.space.named[name] for name in ("none", "all"))
    network = build(plan.space, plan.data.classes).eval()
    networks = {str(p): prune(network, p).eval() for p in dict.fromkeys([none, full, *placements])}
    image = torch.zeros(1, 3, table.image_size, table.image_size)
    counts = {name: count_flops(net, image) for name, net in networks.items()}
    times = measure_latency(networks, table, device, rounds)
    plain, added = times[str(none)], times[str(full)] - times[str(none)]
    rows = [
        {
            "sites": placement.attached,
            "params": count_params(networks[str(placement)]),
            "macs": counts[str(placement)][0],
            "flops": counts[str(placement)][1],
            "latency_ms": times[str(placement)],
            "latency_x": times[str(placement)] / plain,
            # Of what attention everywhere adds; means nothing where it adds next to nothing.
            "latency_removed": 1 - (times[str(placement)] - plain) / added,
        }
        for placement in placements
    ]
    return pd.DataFrame(rows, index=list(map(str, placements)))
