from pathlib import Path

from ean_search.findings import Findings, open_run
from ean_search.pictures import write_pictures

EXAMPLE = Path(__file__).parents[1] / "results" / "example"


def test_the_pages_figures_are_written_as_png_and_svg(tmp_path):
    paths = write_pictures([Findings(open_run(EXAMPLE))], tmp_path)
    assert {path.stem for path in paths} == {"front", "sites", "history", "policy"}
    for path in paths:
        start = path.read_bytes()[:100]
        assert b"PNG" in start if path.suffix == ".png" else b"<?xml" in start
