"""Estimates of shared weights beside what the same placements reached alone; imports no torch.

Reads the `metrics.json` of every training in a run's folder. The two differ in more than noise:
data seen, split and schedule; what should agree is the order.
"""

import json

import pandas as pd

from ean_search.folder import Run

COLUMNS = ("placement", "note", "estimate", "alone", "seed", "images", "folder")


def standalone_frame(run: Run) -> pd.DataFrame:
    """Return a row a finished training: the placement's estimate, and its accuracy alone."""
    paths = sorted(run.path.glob("*/*/metrics.json"))
    frame, rows = run.frame() if paths else pd.DataFrame(), []
    for path in paths:
        metrics = json.loads(path.read_text())
        placement = metrics.get("placement")
        match = frame[frame.placement == placement]
        rows.append(
            {
                "placement": placement,
                "note": match.note.iloc[0] if len(match) else "",
                "estimate": match.accuracy.iloc[0] if len(match) else float("nan"),
                "alone": metrics.get("test_accuracy", metrics.get("accuracy")),
                "seed": metrics.get("seed"),
                "images": metrics.get("test_images"),
                "folder": str(path.parent.relative_to(run.path)),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rank_correlation(frame: pd.DataFrame) -> float:
    """Return Kendall's tau of estimates and mean accuracies alone, nan below three placements."""
    from scipy.stats import kendalltau  # takes a second to import

    pairs = frame.dropna(subset=["estimate", "alone"]).groupby("placement")
    means = pairs[["estimate", "alone"]].mean()
    return (
        float(kendalltau(means.estimate, means.alone).statistic) if len(means) > 2 else float("nan")
    )
