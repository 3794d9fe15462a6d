"""Makes a table: every placement trained alone, estimated with shared weights, and priced.

Trainings and estimates are kept as JSON lines, so that the work can be stopped, continued, extended
by seeds and shared among processes. The process that finds nothing missing writes the table.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ean_search.bench.ground_truth import (
    missing_trainings,
    noise_statistics,
    read_truth,
    train_all,
)
from ean_search.bench.supernet_estimates import (
    CALIBRATION_IMAGES,
    NetworkPlan,
    missing_networks,
    plan_networks,
    read_estimates,
    train_networks,
    variant_of,
)
from ean_search.costs.measure import measure_costs, price_list
from ean_search.data.datasets import load_data
from ean_search.runs.experiment import Experiment
from ean_search.search.tabular.placement_bench import cost_columns, write_table
from ean_search.utils.errors import UserError
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import provenance


@dataclass(frozen=True)
class TablePaths:
    """The files of a table."""

    truth: Path  # JSON lines: accuracies of placements trained alone
    estimates: Path  # JSON lines: what weight-sharing networks estimate of them
    table: Path  # the finished Parquet file


def make_table(
    experiment: Experiment,
    paths: TablePaths,
    *,
    seeds: int = 3,
    epochs: int | None = None,
    part: tuple[int, int] = (1, 1),
    progress: Progress = silent,
) -> int:
    """Do a part of the missing work, and write the table if nothing is missing any more.

    Args:
        experiment: The space, the data, the recipe and the weight-sharing network's training.
        paths: Where trainings, estimates and the table are.
        seeds: Trainings and estimates per placement.
        epochs: Epochs of the weight-sharing networks; by default those of stand-alone trainings.
        part: (i, n) to do only the i-th of n even parts, counted from 1.
        progress: Receives the number of finished trainings and networks.

    Returns:
        How many trainings and networks are still missing.
    """
    if seeds < 2:
        raise UserError(f"expected at least 2 seeds, to know how noisy one is, got {seeds}")
    name, variant = variant_of(experiment.supernet)
    plan = plan_networks(experiment, {name: variant}, epochs=epochs, seeds=seeds, part=part)
    train_all(experiment, paths.truth, seeds, progress, part)
    train_networks(experiment, paths.estimates, plan, progress)
    whole = replace(plan, part=(1, 1))
    missing = len(missing_trainings(experiment, paths.truth, seeds))
    missing += len(missing_networks(paths.estimates, whole))
    if not missing:
        _write(experiment, paths, name, whole)
    return missing


def _write(experiment: Experiment, paths: TablePaths, name: str, plan: NetworkPlan) -> None:
    """Write the table of a finished plan, whose only variant has this name."""
    truth, estimates = read_truth(paths.truth), read_estimates(paths.estimates)
    accuracies = pivot_by_seed(truth[truth.seed < plan.seeds])
    epochs = plan.epochs[name]
    planned = (estimates.variant == name) & (estimates.epochs == epochs)
    planned &= estimates.seed < plan.seeds
    frame, about = assemble_table(experiment, accuracies, estimates[planned])
    about |= {"estimates_by": name, "supernet_epochs": epochs}
    write_table(frame, about, paths.table)


def pivot_by_seed(truth: pd.DataFrame) -> pd.DataFrame:
    """Return accuracies with one row per placement and one column per seed: `accuracy_0`, ..."""
    by_seed = truth.pivot(index="placement", columns="seed", values="accuracy")
    return by_seed.add_prefix("accuracy_")


def assemble_table(
    experiment: Experiment, accuracies: pd.DataFrame, estimates: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Join the accuracies of `pivot_by_seed`, estimates of one variant, and costs; add metadata."""
    classes, space = load_data(experiment.data).classes, experiment.space
    batch_size, device = experiment.cost_batch, experiment.device
    costs = measure_costs(space, classes=classes, batch_size=batch_size, device=device)
    price, placements = price_list(space, costs, classes), space.enumerate()
    frame = cost_columns([price(placement) for placement in placements])
    frame.insert(0, "placement", [str(placement) for placement in placements])
    frame = frame.merge(accuracies, on="placement")
    for images, name in zip(CALIBRATION_IMAGES, ("estimate", "recalibrated"), strict=True):
        calibrated = estimates[estimates.calibration_images == images]
        by_seed = calibrated.pivot(index="placement", columns="seed", values="estimate")
        frame = frame.merge(by_seed.add_prefix(f"{name}_"), on="placement")
    about = {
        "experiment": experiment.model_dump(mode="json"),
        "calibration_images": CALIBRATION_IMAGES[1],
        "provenance": provenance(device),
        "noise": noise_statistics(accuracies),
        "latency": {"batch": costs.batch_size, "px": costs.image_size, "device": costs.hardware},
    }
    return frame, about
