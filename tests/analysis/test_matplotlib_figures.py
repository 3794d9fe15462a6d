import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ean_search.analysis.figure_layout import CostAxis
from ean_search.analysis.matplotlib_figures import (
    draw_strips,
    plot_agreement,
    plot_front,
    plot_history,
    plot_policy,
    plot_sites,
    save_figure,
)
from ean_search.analysis.palette import COLOURS, EMPTY
from ean_search.core.pareto import front
from ean_search.core.space import Space


@pytest.fixture
def figure():
    space = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2))
    texts = ["00-00", "11-11", "10-02", "01-00", "22-00"]
    frame = pd.DataFrame(
        {
            "placement": texts,
            "accuracy": [0.5, 0.7, 0.72, None, 0.6],
            "latency_ms": [1.0, 1.4, 1.2, 1.1, 1.3],
            "note": ["none", "all", "", "", ""],
        }
    )
    strips = {text: space.parse(text) for text in ("00-00", "10-02")}
    named = frame[frame.note != ""]
    return plot_front(frame, front(frame), named, strips, ["SE", "ECA"], x=CostAxis(), title="toy")


def test_the_front_is_drawn_with_its_named_placements(figure):
    left = figure.axes[0]
    assert {text.get_text() for text in left.texts} == {"none", "all"}
    assert "latency" in left.get_xlabel()
    front_points = left.collections[1].get_offsets()
    assert front_points.tolist() == [[1.0, 50.0], [1.2, 72.0]]


def test_a_strip_has_one_cell_per_site_in_the_attentions_colour(figure):
    right = figure.axes[1]
    colours = [to_hex(patch.get_facecolor()) for patch in right.patches]
    assert len(colours) == 8
    assert colours[:4] == [EMPTY] * 4
    assert len(set(colours[4:])) == 3
    assert [label.get_text() for label in right.get_yticklabels()] == ["00-00", "10-02"]


@pytest.mark.slow
def test_the_same_figure_gives_the_same_file(figure, tmp_path):
    save_figure(figure, tmp_path / "a.png")
    save_figure(figure, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_more_attentions_than_colours_can_be_drawn():
    names = [f"attention{number}" for number in range(len(COLOURS) + 2)]
    space = Space(name="toy", backbone="x", attention=names, stages=(2,))
    axes = Figure().subplots()
    draw_strips(axes, {"some": space.parse("89")}, names)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names


def test_no_strips_are_empty_axes():
    axes = Figure().subplots()
    draw_strips(axes, {}, ["SE"])
    assert len(axes.patches) == 0


def test_sites_have_bars_for_shares_and_points_for_effects():
    frame = pd.DataFrame(
        {
            "site": [0, 1, 2, 3],
            "attention": "se",
            "choice": 1,
            "front_share": [0.25, 0.5, 0.75, 1.0],
            "effect": [0.01, -0.01, 0.0, 0.02],
            "high": [0.02, 0.0, 0.01, 0.03],
        }
    )
    upper, lower = plot_sites(frame, (2, 2)).axes
    assert [bar.get_height() for bar in upper.patches] == [25, 50, 75, 100]
    assert lower.lines[0].get_ydata() == pytest.approx([1, -1, 0, 2])
    assert [label.get_text() for label in lower.get_xticklabels()] == ["stage 1", "stage 2"]


def test_a_history_has_a_line_for_each_run():
    frame = pd.DataFrame({"evaluations": [1, 2], "accuracy": [0.5, None]})
    frame = frame.assign(best_accuracy=0.5, hypervolume=[0.1, 0.2])
    upper, lower = plot_history({"a": frame, "b": frame}).axes
    assert [text.get_text() for text in upper.get_legend().get_texts()] == ["a", "b"]
    assert len(lower.lines) == 2


def test_a_policy_is_an_image_of_sites_by_steps():
    rows = [
        {"step": step, "site": site, "choice": choice, "probability": abs(choice - 0.2)}
        for step in range(3)
        for site in range(4)
        for choice in range(2)
    ]
    axes, bar = plot_policy(pd.DataFrame(rows), (2, 2), "share").axes
    assert axes.images[0].get_array().tolist() == np.full((4, 3), 0.8).tolist()
    assert bar.get_ylabel() == "share"


def test_trainings_with_a_name_say_it():
    frame = pd.DataFrame(
        {
            "estimate": [0.5, 0.6, 0.7],
            "alone": [0.6, 0.7, 0.8],
            "kind": ["retrained", "retrained", "verified"],
            "note": ["none", "", ""],
        }
    )
    (axes,) = plot_agreement(frame).axes
    assert [text.get_text() for text in axes.texts] == ["none"]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["retrained", "verified"]
