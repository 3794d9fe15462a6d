"""The notebooks run from top to bottom; the committed ones are small and have pictures."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

RESULTS = Path(__file__).parents[2] / "results"
NOTEBOOKS = sorted(RESULTS.glob("*.ipynb"))
DATA_PATTERNS = ("*.csv", "*.jsonl", "*.ipynb")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    copy = tmp_path_factory.mktemp("notebooks")
    for path in (path for pattern in DATA_PATTERNS for path in RESULTS.glob(pattern)):
        shutil.copy(path, copy)
    shutil.copytree(RESULTS / "example", copy / "example")
    return copy


def pictures(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output for output in outputs if "image/png" in output.get("data", {})]


def test_there_are_notebooks_for_the_usual_questions():
    names = {path.stem for path in NOTEBOOKS}
    assert names >= {"pareto", "searchers", "supernet", "placements"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_are_small_and_have_pictures(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < 150_000
    assert pictures(notebook)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path, results):
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(results)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    assert pictures(notebook)
    printed = [
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    if path.stem == "pareto":
        assert any("ean-search retrain example --placement" in text for text in printed)
