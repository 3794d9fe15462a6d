import io

from rich.console import Console

from ean_search.cli.live_view import describe, live_view, strip
from ean_search.utils.progress import ProgressMessage


def shown(width=100):
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system="truecolor")


def test_a_strip_has_a_cell_a_site_and_gaps_between_stages():
    cells = strip("100-20")
    assert cells.plain == "1·· 2·"
    colours = [str(span.style) for span in cells.spans]
    assert colours[0].split()[-1] != colours[-2].split()[-1]


def test_a_standing_names_the_best_and_its_figures():
    text = describe(
        ProgressMessage("", {"best_accuracy": 0.752, "front": 6, "reward": 1.0}, "011-1001")
    )
    assert text.plain.splitlines()[1].strip() == "011-1001"
    assert "best accuracy 0.752, front 6" in text.plain
    assert "reward 1" not in text.plain


def test_the_view_shows_bars_and_under_them_the_standing():
    console = shown()
    with live_view(console) as view:
        view.write("supernet", 3, 3, ProgressMessage("epoch 1/1, loss 0.5", {"loss": 0.5}))
        view.write("search", 1, 4, ProgressMessage("best", {"front": 1}, "1-0-0-0"))
        view.write("search", 2, 4, ProgressMessage("best", {"front": 2}, "1-1-0-0"))
    text = console.file.getvalue()
    assert "3/3" in text
    assert "loss 0.5" in text
    assert "1-1-0-0" in text
    assert "front 2" in text
