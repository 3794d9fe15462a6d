"""How well weight-sharing networks rank placements that were also trained on their own.

All variants are judged by the same truth, that of the space's own gates, `other gates` too.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from scipy.stats import kendalltau, spearmanr

from ean_search.bench.estimates import VARIANTS, Variant, default_epochs, estimate_all
from ean_search.experiment import Experiment
from ean_search.lookup import UserError
from ean_search.progress import Progress, silent

FIGURES = ("tau", "spearman", "tau_top_tenth", "top5_regret")
FEW = 5  # placements of the best estimates that one would retrain


def bench_supernet(
    experiment: Experiment,
    accuracies: pd.DataFrame,
    path: Path,
    *,
    seeds: int = 3,
    epochs: int | None = None,
    variants: Mapping[str, Variant] = VARIANTS,
    part: tuple[int, int] = (1, 1),
    progress: Progress = silent,
) -> pd.DataFrame:
    """Compare variants with accuracies, which have a row a placement and a column a training.

    A row of the result is one network and calibration; the estimates are kept at the path.
    """
    estimates = estimate_all(
        experiment,
        path,
        variants,
        seeds=seeds,
        epochs=epochs or default_epochs(experiment),
        part=part,
        progress=progress,
    )
    known = len(accuracies.dropna())
    if known < experiment.space.size:
        size = experiment.space.size
        raise UserError(f"expected all {size} placements trained alone, got {known}")
    truth, rows = accuracies.mean(axis=1), []
    for (name, images, seed), one in estimates.groupby(
        ["variant", "calibration_images", "seed"], sort=False
    ):
        row = {"variant": name, **asdict(variants[name]), "calibration_images": images}
        found = compare(one.set_index("placement").estimate, truth)
        rows.append(row | {"seed": seed} | found)
    return pd.DataFrame(rows)


def average(frame: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds: a row a variant and calibration."""
    keys = ["variant", "calibration_images"]
    means = frame.groupby(keys, sort=False)[list(FIGURES)].mean()
    return means.assign(seeds=frame.groupby(keys, sort=False).size()).reset_index()


def compare(estimates: pd.Series, truth: pd.Series) -> dict[str, float]:
    """Say how well estimates rank what is true, among all and among the truly best tenth."""
    truth = truth[estimates.index]
    tenth = truth.nlargest(-(-len(truth) // 10)).index
    few = estimates.nlargest(FEW).index
    figures = (
        kendalltau(estimates, truth).statistic,
        spearmanr(estimates, truth).statistic,
        kendalltau(estimates[tenth], truth[tenth]).statistic,
        truth.max() - truth[few].max(),
    )
    return dict(zip(FIGURES, map(float, figures), strict=True))
