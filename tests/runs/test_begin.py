"""A run begins with its experiment and its provenance, and holds its lock meanwhile."""

import json

from ean_search.runs.begin import begun_run
from ean_search.runs.conditions import CONDITIONS_KEY
from ean_search.runs.experiment import load_experiment


def test_the_first_files(tmp_path):
    experiment = load_experiment(None, {"space": "tiny", "device": "cpu"})
    with begun_run(experiment, tmp_path / "run") as run:
        assert run.lock_file.is_file()
    assert load_experiment(run.experiment_file) == experiment
    assert json.loads(run.provenance_file.read_text())[CONDITIONS_KEY]["device"] == "cpu"
    with begun_run(experiment, tmp_path / "run", numbered=True) as second:
        assert second.path != run.path
