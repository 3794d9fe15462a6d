"""Estimates of shared weights beside what the same placements reached alone; imports no torch.

Reads what `run --verify` and `retrain` left in a run's folder. Estimate and training differ in more
than noise, in data seen, split and schedule; what should agree is the order.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ean_search.analysis.run_folder import Run
from ean_search.search.trial_log import read_trials

COLUMNS = ("placement", "note", "estimate", "alone", "kind", "seed")


def agreement_frame(run: Run) -> pd.DataFrame:
    """Return a row a finished training: the placement's estimate, and its accuracy alone."""
    alone = pd.DataFrame([*_verified(run), *_retrained(run)])
    if alone.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    estimates = run.frame()[["placement", "note", "accuracy"]]
    frame = alone.merge(estimates.rename(columns={"accuracy": "estimate"}), "left", "placement")
    return frame.fillna({"note": ""})[list(COLUMNS)]


def _verified(run: Run) -> Iterator[dict[str, Any]]:
    """Read the short trainings after a search; they are tested on its own images."""
    for trial in read_trials(run.verified_file, run.space):
        if trial.accuracy is not None:
            row = {"placement": str(trial.placement), "alone": trial.accuracy}
            yield row | {"kind": "verified", "seed": run.fields["seed"]}


def _retrained(run: Run) -> Iterator[dict[str, Any]]:
    """Read the whole trainings, by whatever recipe; they are tested on the test split."""
    for training in run.trainings():
        metrics = training.read_metrics() or {}
        row = {"placement": metrics["placement"], "alone": metrics["test_accuracy"]}
        yield row | {"kind": "retrained", "seed": metrics["seed"]}


def rank_correlations(frame: pd.DataFrame) -> dict[str, float]:
    """Return Kendall's tau of estimates and mean accuracies, by kind of training."""
    from scipy.stats import kendalltau  # takes a second to import

    found = {}
    for kind, part in frame.dropna(subset=["estimate", "alone"]).groupby("kind"):
        means = part.groupby("placement")[["estimate", "alone"]].mean()
        if len(means) > 2:  # of two, the order says nothing
            found[kind] = float(kendalltau(means.estimate, means.alone).statistic)
    return found
