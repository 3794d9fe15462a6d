import pandas as pd
import pytest

from ean_search.analysis.matplotlib_figures import plot_front, save_figure
from ean_search.analysis.palette import EMPTY
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
    return plot_front(frame, front(frame), named, strips, ["SE", "ECA"], title="toy")


def test_the_front_is_drawn_with_its_named_placements(figure):
    left = figure.axes[0]
    assert {text.get_text() for text in left.texts} == {"none", "all"}
    assert "latency" in left.get_xlabel()
    front_points = left.collections[1].get_offsets()
    assert front_points.tolist() == [[1.0, 50.0], [1.2, 72.0]]


def test_a_strip_has_a_cell_a_site_in_the_attentions_colour(figure):
    from matplotlib.colors import to_hex

    right = figure.axes[1]
    colours = [to_hex(patch.get_facecolor()) for patch in right.patches]
    assert len(colours) == 8
    assert colours[:4] == [EMPTY] * 4
    assert len(set(colours[4:])) == 3
    assert [label.get_text() for label in right.get_yticklabels()] == ["00-00", "10-02"]


def test_the_same_figure_gives_the_same_file(figure, tmp_path):
    save_figure(figure, tmp_path / "a.png")
    save_figure(figure, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
