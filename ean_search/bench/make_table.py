"""Makes a table: every placement trained alone, estimated with shared weights, and priced.

Trainings and estimates are kept as JSON lines beside each other, so the work can be stopped,
continued, extended by seeds and shared among processes; who finds nothing missing writes the table.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ean_search.bench.ground_truth import missing, noise, read_truth, train_all
from ean_search.bench.supernet_estimates import (
    CALIBRATION,
    missing_networks,
    own_variant,
    plan_epochs,
    read_estimates,
    train_networks,
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
    """Where a table and what it is made of lie."""

    truth: Path  # accuracies of placements trained alone
    estimates: Path  # what networks for all placements say of them
    table: Path  # finished


def make_table(
    experiment: Experiment,
    shop: TablePaths,
    *,
    seeds: int = 3,
    epochs: int | None = None,
    part: tuple[int, int] = (1, 1),
    progress: Progress = silent,
) -> int:
    """Do a part of what is missing; write the table if nothing is; return how much still is."""
    if seeds < 2:
        raise UserError(f"expected at least 2 seeds, to know how noisy one is, got {seeds}")
    name, variant = own_variant(experiment.supernet)
    variants = {name: variant}
    plan = plan_epochs(experiment, variants, epochs)
    train_all(experiment, shop.truth, seeds, progress, part)
    train_networks(
        experiment, shop.estimates, variants, plan, seeds=seeds, part=part, progress=progress
    )
    left = len(missing(experiment, shop.truth, seeds))
    left += len(missing_networks(shop.estimates, plan, seeds=seeds))
    if not left:
        truth, known = read_truth(shop.truth), read_estimates(shop.estimates)
        accuracies = widen(truth[truth.seed < seeds])
        mine = (known.variant == name) & (known.epochs == plan[name]) & (known.seed < seeds)
        frame, about = assemble(experiment, accuracies, known[mine])
        about |= {"estimates_by": name, "supernet_epochs": plan[name]}
        write_table(frame, about, shop.table)
    return left


def widen(truth: pd.DataFrame) -> pd.DataFrame:
    """Give every seed a column: a row a placement."""
    wide = truth.pivot(index="placement", columns="seed", values="accuracy")
    return wide.add_prefix("accuracy_")


def assemble(
    experiment: Experiment, accuracies: pd.DataFrame, estimates: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Put accuracies, estimates and costs together; say how they were made."""
    classes = load_data(experiment.data).classes
    costs = measure_costs(
        experiment.space,
        classes=classes,
        batch_size=experiment.cost_batch,
        device=experiment.device,
    )
    price, placements = price_list(experiment.space, costs, classes), experiment.space.enumerate()
    frame = cost_columns([price(placement) for placement in placements])
    frame.insert(0, "placement", [str(placement) for placement in placements])
    frame = frame.merge(accuracies, on="placement")
    for images, name in zip(CALIBRATION, ("estimate", "recalibrated"), strict=True):
        one = estimates[estimates.calibration_images == images]
        wide = one.pivot(index="placement", columns="seed", values="estimate")
        frame = frame.merge(wide.add_prefix(f"{name}_"), on="placement")
    about = {
        "experiment": experiment.model_dump(mode="json"),
        "calibration_images": CALIBRATION[1],
        "provenance": provenance(experiment.device),
        "noise": noise(accuracies),
        "latency": {"batch": costs.batch_size, "px": costs.image_size, "device": costs.hardware},
    }
    return frame, about
