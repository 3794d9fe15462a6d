"""How well weight-sharing networks rank placements that were also trained on their own.

All variants are compared with the same truth, that of the space's own gates, `other gates` too.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from scipy.stats import kendalltau, spearmanr

from ean_search.bench.supernet_estimates import (
    NETWORK_COLUMNS,
    NetworkPlan,
    read_estimates,
    train_networks,
)
from ean_search.runs.experiment import Experiment
from ean_search.utils.errors import UserError
from ean_search.utils.progress import Progress, silent

FIGURES = ("tau", "spearman", "tau_top_tenth", "top5_regret")
RETRAINED_PLACEMENTS = 5  # those with the best estimates, that a user would retrain


def bench_supernet(
    experiment: Experiment,
    accuracies: pd.DataFrame,
    path: Path,
    plans: Sequence[NetworkPlan],
    progress: Progress = silent,
) -> pd.DataFrame:
    """Train weight-sharing networks, and compare their rankings with stand-alone trainings.

    Args:
        experiment: The space, the data, the recipe and the device.
        accuracies: One row per placement and one column per stand-alone training.
        path: JSON lines of estimates; created or continued.
        plans: Networks to train, see `plan_networks`; one plan per number of epochs.
        progress: Receives the number of finished networks.

    Returns:
        One row per network and calibration in the file, those of earlier calls included.

    Raises:
        UserError: If a placement has no accuracy, or the file holds estimates with other settings.
    """
    for plan in plans:
        train_networks(experiment, path, plan, progress)
    known, size = len(accuracies.dropna()), experiment.space.size
    if known < size:
        raise UserError(f"expected all {size} placements trained alone, got {known}")
    truth, rows = accuracies.mean(axis=1), []
    for network, estimates in read_estimates(path).groupby(list(NETWORK_COLUMNS), sort=False):
        figures = compare_ranking(estimates.set_index("placement").estimate, truth)
        rows.append(dict(zip(NETWORK_COLUMNS, network, strict=True)) | figures)
    return pd.DataFrame(rows)


def average(frame: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds: one row per variant, number of epochs and calibration."""
    keys = [key for key in NETWORK_COLUMNS if key != "seed"]
    groups = frame.groupby(keys, sort=False)
    return groups[list(FIGURES)].mean().assign(seeds=groups.size()).reset_index()


def compare_ranking(estimates: pd.Series, truth: pd.Series) -> dict[str, float]:
    """Return how well estimates rank placements.

    Args:
        estimates: Estimated accuracies, indexed by placement.
        truth: True accuracies with at least the same index.

    Returns:
        Kendall's tau and Spearman's correlation of all placements, tau among the truly best tenth,
        and how much the best of the five highest estimates lacks to the best placement.
    """
    truth = truth[estimates.index]
    top_tenth = truth.nlargest(-(-len(truth) // 10)).index
    retrained = estimates.nlargest(RETRAINED_PLACEMENTS).index
    figures = (
        kendalltau(estimates, truth).statistic,
        spearmanr(estimates, truth).statistic,
        kendalltau(estimates[top_tenth], truth[top_tenth]).statistic,
        truth.max() - truth[retrained].max(),
    )
    return dict(zip(FIGURES, map(float, figures), strict=True))
