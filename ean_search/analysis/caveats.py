"""Sentences about what the figures of a run's summary do not mean."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ean_search.core.score import ACCURACY, Score

TRAIN_LONGER = (
    "before retraining anything, train longer (more epochs), or on more images if the training "
    "loss is near zero already"
)


def caveats(summary: Mapping[str, Any]) -> list[str]:
    """Return what must be said beside the figures of a summary.

    Args:
        summary: The content of `summary.json`; what earlier versions did not write is left out.
    """
    measured = summary.get("latency", {}).get("findings", [])
    return [*_significance_caveats(summary), *_comparison_caveats(summary), *measured]


def score_of(summary: Mapping[str, Any]) -> Score:
    """Return what a summary's run measured; accuracy where it does not say."""
    return Score(**summary.get("score", {}))


def is_conclusive(summary: Mapping[str, Any]) -> bool:
    """Tell whether a summary's winners are worth retraining; True where it does not say."""
    judged = summary.get("significance")
    return judged is None or bool(judged["above_chance"] and judged["differs_from_none"])


def has_random_placements(comparison: Mapping[Any, Any]) -> bool:
    """Tell whether the random placements of a comparison are others than the best one.

    They have as many attachments as the best one. With none, or at every site, there is one such
    placement only.
    """
    best, random = comparison.get("best"), comparison.get("random")
    if not best or not random:
        return False
    return set(random["placements"]) != {best["placement"]}


def more_accurate_trials(trials: pd.DataFrame, accuracy: float) -> dict[str, Any]:
    """Return the most accurate trials beyond an accuracy: within the limits, and of all.

    Args:
        trials: One row per trial, as `Run.frame` returns it.
        accuracy: The accuracy to exceed, that of the trial with the highest reward.

    Returns:
        The trials by status, `done` and `infeasible`; only those that there are.
    """
    better = trials[trials["status"].isin(("done", "infeasible")) & (trials["accuracy"] > accuracy)]
    best = better.sort_values("accuracy", ascending=False, kind="stable").drop_duplicates("status")
    columns = ["number", "placement", "accuracy", "reward"]
    return {row["status"]: {key: row[key] for key in columns} for row in best.to_dict("records")}


def _significance_caveats(summary: Mapping[str, Any]) -> Iterator[str]:
    judged = summary.get("significance")
    if judged is None:
        return
    if not judged["above_chance"]:
        yield (
            f"These accuracies cannot be told from chance: the highest of {judged['trials']} is "
            f"{_percent(judged['highest_accuracy'])}, and on {judged['images']} images it takes "
            f"{_percent(judged['chance_bound'])} to be beyond guessing among {judged['classes']} "
            f"classes (level {judged['level']}, corrected for {judged['trials']} trials); "
            f"{TRAIN_LONGER}."
        )
    elif not judged["front"]:
        yield f"No placement within the limits is more accurate than none; {TRAIN_LONGER}."
    elif not judged["differs_from_none"]:
        largest = max(judged["front"], key=lambda member: member["difference"])
        yield (
            "No placement of the front can be told from none: the largest difference is "
            f"{100 * largest['difference']:.2f} points with a standard error of "
            f"{100 * largest['standard_error']:.2f}{_approximate(judged)}; {TRAIN_LONGER}; more "
            "search images (data.search_per_class) make the error smaller."
        )


def _approximate(judged: Mapping[str, Any]) -> str:
    """Say so if errors take accuracies of the same images for independent."""
    if judged.get("paired"):
        return ""
    return " (approximate: it takes the two accuracies for independent)"


def _comparison_caveats(summary: Mapping[str, Any]) -> Iterator[str]:
    comparison = summary.get("comparison", {})
    best, score = comparison.get("best"), score_of(summary)
    if best is None:
        return
    more = "more accurate" if score == ACCURACY else f"better in {score.name}"
    better = summary.get("more_accurate", {})
    if done := better.get("done"):
        yield (
            f"best is the placement with the highest reward, {summary['objective']}: "
            f"{done['placement']} is {more} ({score.describe(done['accuracy'])}), but its costs "
            f"take {_points(done)} {score.points} off its reward, and those of best "
            f"{_points(best)}."
        )
    if over := better.get("infeasible"):
        yield (
            f"{over['placement']} is {more} than best ({score.describe(over['accuracy'])}), but "
            f"breaks a limit ({summary['limits']})."
        )
    if summary.get("judged_apart") is False and summary.get("search_images"):
        yield (
            "Winners were chosen and judged on the same images, so their accuracies are too high "
            "by luck; search.judge_share sets some images apart to judge by."
        )
    if "random" in comparison and not has_random_placements(comparison):
        where = "no site" if best["sites"] == 0 else "every site"
        yield (
            f"best has attention at {where}: there are no other placements of the same count, so "
            "nothing random to compare it with."
        )


def _points(row: Mapping[str, Any]) -> str:
    """Write what the costs of a placement take off its accuracy, in points."""
    return f"{100 * (row['accuracy'] - row['reward']):.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
