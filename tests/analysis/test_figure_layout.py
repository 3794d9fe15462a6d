import pandas as pd
import pytest

from ean_search.analysis.figure_layout import (
    AXIS_LABELS,
    STAGE_GAP_CELLS,
    attached_by_step,
    attention_series,
    stage_axis,
    strip_cells,
)
from ean_search.analysis.palette import COLOURS
from ean_search.analysis.trial_frame import COST_FIELDS
from ean_search.core.space import Space


def test_every_cost_axis_has_a_label():
    assert set(AXIS_LABELS) == set(COST_FIELDS)


def test_stages_are_named_in_their_middle_with_borders_between_them():
    axis = stage_axis((3, 4, 1))
    assert axis.middles == [2, 5.5, 8]
    assert axis.borders == [3.5, 7.5]
    assert axis.names == ["stage 1", "stage 2", "stage 3"]


def test_many_stages_are_named_by_their_numbers():
    assert stage_axis((1,) * 6).names == ["1", "2", "3", "4", "5", "6"]


def test_an_axis_without_stages_is_empty():
    axis = stage_axis(())
    assert axis.middles == axis.borders == axis.names == []


def test_a_strip_has_a_gap_between_stages():
    space = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2))
    starts, choices = zip(*strip_cells(space.parse("10-02")), strict=True)
    assert choices == (1, 0, 0, 2)
    assert starts == (0, 1, 2 + STAGE_GAP_CELLS, 3 + STAGE_GAP_CELLS)


def test_sites_are_split_by_attention_in_the_order_of_the_space():
    frame = pd.DataFrame({"site": [0, 0, 1, 1], "choice": [2, 1, 2, 1]})
    frame["attention"] = frame.choice.map({1: "se", 2: "eca"})
    frame = frame.assign(effect=0.01, high=[0.02, 0.03, 0.02, 0.03])
    se, eca = attention_series(frame)
    assert (se.name, se.choice, se.colour) == ("se", 1, COLOURS[0])
    assert (eca.name, eca.choice, eca.colour) == ("eca", 2, COLOURS[1])
    assert se.positions.tolist() == [1, 2]
    assert se.half_intervals.tolist() == pytest.approx([2, 2])


def test_a_policy_is_summed_over_attentions():
    rows = [
        {"step": step, "site": site, "choice": choice, "probability": probability}
        for step in range(2)
        for site in range(3)
        for choice, probability in enumerate((0.5, 0.3, 0.2))
    ]
    strip = attached_by_step(pd.DataFrame(rows))
    assert strip.shape == (3, 2)
    assert strip.to_numpy() == pytest.approx(0.5)
