"""What figures have in common, whichever library draws them: labels, stages, strips, series."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import pandas as pd

from ean_search.analysis.palette import attention_colour
from ean_search.analysis.significance import Z_VALUE
from ean_search.core.score import ACCURACY, Score
from ean_search.core.space import Placement

AXIS_LABELS = {
    "latency_ms": "latency (ms)",
    "flops": "FLOPs (fvcore)",
    "macs": "multiply-adds",
    "params": "parameters",
    "sites": "attached sites",
    "activation_bytes": "activation bytes",
}
AXES_OF_IMAGE_SIZE = ("latency_ms", "flops", "macs", "activation_bytes")  # they depend on it
ESTIMATE_LABEL = "estimate with shared weights (%)"
TOLD_APART = "judged (95 % interval)"
NOT_TOLD_APART = "judged, not surely better than a cheaper one"
ALONE_LABEL = "accuracy trained alone (%)"
STAGE_GAP_CELLS = 0.6  # between the stages of a strip, as a share of a cell
MAX_FULL_STAGE_NAMES = 5  # with more stages, only their numbers fit


def score_label(score: Score, what: str = " on the search split") -> str:
    """Return the label of an axis of scores, such as "accuracy on the search split (%)"."""
    return f"{score.name}{what}{' (%)' * score.is_share}"


def drawn_scores(worths: pd.Series, score: Score) -> pd.Series:
    """Return worths as axes show them; those that are missing stay so."""
    drawn: pd.Series = worths.astype(float).map(score.drawn)
    return drawn


def axis_labels(image_sizes: Collection[int]) -> dict[str, str]:
    """Return the labels of all cost axes, with the image sizes that the costs were measured at.

    Args:
        image_sizes: The sizes of the runs that are drawn, in pixels; empty if they are not known.
    """
    sizes = " and ".join(str(size) for size in sorted(set(image_sizes)))
    at_sizes = f", {sizes} px" if sizes else ""
    return {
        axis: label + (at_sizes if axis in AXES_OF_IMAGE_SIZE else "")
        for axis, label in AXIS_LABELS.items()
    }


@dataclass(frozen=True)
class CostAxis:
    """A cost axis: the column of a frame, and its label; and the score that is drawn against it."""

    column: str = "latency_ms"
    label: str = AXIS_LABELS["latency_ms"]
    score: Score = ACCURACY


@dataclass(frozen=True)
class StageAxis:
    """Where the stages lie on an axis of sites, which are numbered from 1."""

    middles: list[float]  # one per stage
    borders: list[float]  # one between each two stages
    names: list[str]  # one per stage


def stage_axis(stages: Sequence[int]) -> StageAxis:
    """Lay out stages, given as numbers of sites, along an axis of sites."""
    ends = list(accumulate(stages))
    middles = [end - (count - 1) / 2 for end, count in zip(ends, stages, strict=True)]
    return StageAxis(middles, [end + 0.5 for end in ends[:-1]], stage_names(len(stages)))


def stage_names(count: int) -> list[str]:
    """Name stages from 1 on; many stages get numbers only."""
    prefix = "stage " if count <= MAX_FULL_STAGE_NAMES else ""
    return [f"{prefix}{number}" for number in range(1, count + 1)]


def strip_cells(placement: Placement) -> list[tuple[float, int]]:
    """Return each site's position in a strip, with gaps between stages, and its choice."""
    stages = [stage for stage, count in enumerate(placement.stages) for _ in range(count)]
    return [
        (site + STAGE_GAP_CELLS * stage, placement.choices[site])
        for site, stage in enumerate(stages)
    ]


@dataclass(frozen=True)
class AttentionSeries:
    """The rows of a frame of sites that belong to one attention."""

    name: str
    choice: int
    colour: str
    cells: pd.DataFrame

    @property
    def positions(self) -> "pd.Series[int]":
        """Number the sites from 1."""
        return self.cells["site"] + 1

    @property
    def half_intervals(self) -> "pd.Series[float]":
        """Return half of each effect's interval, in points."""
        return 100 * (self.cells["high"] - self.cells["effect"])


def attention_series(sites: pd.DataFrame) -> Iterator[AttentionSeries]:
    """Split a frame of `site_frame` by attention, in the order of the space."""
    for choice in sorted(sites["choice"].unique().tolist()):
        cells = sites[sites["choice"] == choice]
        yield AttentionSeries(cells["attention"].iloc[0], choice, attention_colour(choice), cells)


def attached_by_step(policy: pd.DataFrame) -> pd.DataFrame:
    """Sum a frame of `policy_frame` over attentions: one row per site, one column per step."""
    attached = policy[policy["choice"] > 0]
    by_step: pd.DataFrame = attached.pivot_table(
        index="site", columns="step", values="probability", aggfunc="sum"
    )
    return by_step


def judged_series(front: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return a front's members by how sure they are, with what is drawn of their judgement.

    Args:
        front: As `judge_front` returns it; other fronts give nothing.

    Returns:
        Members with columns `judged` and `half_interval`, of 95 %, in percent, by their label.
    """
    if "judged_accuracy" not in front:
        return {}
    drawn = front.assign(
        judged=100 * front["judged_accuracy"], half_interval=100 * Z_VALUE * front["judged_error"]
    )
    told = drawn["told_apart"].astype(bool)
    series = {TOLD_APART: drawn[told], NOT_TOLD_APART: drawn[~told]}
    return {label: members for label, members in series.items() if len(members)}
