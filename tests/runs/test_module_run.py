"""The stages of a search over a module leave files, and are not done twice."""

import pytest

from ean_search.utils.errors import UserError
from tests.runs.module_search import search


def test_every_stage_leaves_its_file(tmp_path):
    folder = tmp_path / "run"
    reports = []
    search(folder, progress=lambda task, *_: reports.append(task))
    names = {path.name for path in folder.iterdir()}
    assert {"experiment.yaml", "costs.json", "supernet.safetensors", "trials.jsonl"} <= names
    assert {"front.csv", "front.png", "summary.json"} <= names
    assert "supernet.checkpoint" not in names
    stages = ["fine-tuning", "search", "latency of the front", "comparison"]
    assert list(dict.fromkeys(reports))[-4:] == stages  # costs come first, if none are cached


def test_lost_costs_are_not_measured_anew(tmp_path):
    folder = tmp_path / "run"
    search(folder)
    for name in ("costs.json", "summary.json"):
        (folder / name).unlink()
    with pytest.raises(UserError, match="is lost, and the trials so far were priced by it"):
        search(folder)
