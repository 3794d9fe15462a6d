"""Grad-CAM of a small run, with shared weights and with retrained ones."""

import pandas as pd
import pytest

from ean_search.cli.main import main
from ean_search.networks.builder import build
from ean_search.retrain.grad_cam import explain
from ean_search.retrain.retrain import retrain_placement
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import start_run
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_weights
from tests.runs.test_pipeline import SMALL


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "run"
    return start_run(load_experiment(None, SMALL | {"retrain.epochs": 1}), path)


def test_without_weights_it_says_what_to_do(run):
    with pytest.raises(UserError, match=r"no weights to explain.*ean-search retrain"):
        explain(run, run.find("1-0-0-0"))


def test_shared_weights_stand_in_and_say_so(run, capsys):
    save_weights(build(run.space, 10), run.supernet_file)
    words = ["explain", str(run.path), "--placement", "1-0-0-0", "--images", "3"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "none retrained alone" in out
    assert (run.path / "explain" / "1-0-0-0.png").read_bytes()[:4] == b"\x89PNG"
    frame = pd.read_csv(run.path / "explain" / "1-0-0-0.csv")
    assert frame.groupby("network").size().to_dict() == {"none": 3, "all": 3, "1-0-0-0": 3}
    assert frame.probability.between(0, 1).all()


def test_retrained_networks_are_preferred_when_there_are_all(run):
    for name in ("none", "all", "0-1-0-0"):
        assert "none retrained" in explain(run, run.find("0-1-0-0"), images=1).weights
        retrain_placement(run, run.find(name), {})
    found = explain(run, run.find("0-1-0-0"), images=2)
    assert found.weights == "each network retrained alone"
    assert set(found.frame.network) == {"none", "all", "0-1-0-0"}


def test_maps_too_small_to_show_places_are_refused(run, monkeypatch):
    monkeypatch.setattr("ean_search.retrain.grad_cam.LEAST", 99)
    with pytest.raises(UserError, match="too small"):
        explain(run, run.find("1-0-0-0"), images=1)
