"""Grad-CAM of a small run, with shared weights and with retrained ones."""

import numpy as np
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
from tests.helpers import SMALL_EXPERIMENT


@pytest.fixture
def run(tmp_path):
    """Start a run that has no weights yet."""
    experiment = load_experiment(None, SMALL_EXPERIMENT | {"retrain.epochs": 1})
    return start_run(experiment, tmp_path / "run")


def test_a_run_without_weights_names_the_command_that_trains(run):
    with pytest.raises(UserError, match=r"no weights to explain.*ean-search retrain"):
        explain(run, run.find("1-0-0-0"))


def test_shared_weights_are_the_substitute_and_are_named(run, capsys):
    save_weights(build(run.space, 10), run.supernet_file)
    words = ["explain", str(run.path), "--placement", "1-0-0-0", "--images", "3"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "none retrained alone" in out
    assert (run.path / "explain" / "1-0-0-0.png").read_bytes()[:4] == b"\x89PNG"
    frame = pd.read_csv(run.path / "explain" / "1-0-0-0.csv")
    assert frame.groupby("network").size().to_dict() == {"none": 3, "all": 3, "1-0-0-0": 3}
    assert frame.probability.between(0, 1).all()


@pytest.mark.slow
def test_retrained_networks_are_preferred_when_all_three_are_there(run):
    save_weights(build(run.space, 10), run.supernet_file)
    for name in ("none", "all", "0-1-0-0"):
        assert "none retrained" in explain(run, run.find("0-1-0-0"), images=1).weights
        retrain_placement(run, name)
    explanation = explain(run, run.find("0-1-0-0"), images=2)
    assert explanation.weights == "each network retrained alone"
    assert set(explanation.frame.network) == {"none", "all", "0-1-0-0"}


@pytest.mark.slow
def test_trainings_by_a_recipe_are_found(run):
    for name in ("none", "all", "0-1-0-0"):
        retrain_placement(run, name, {"retrain.epochs": 1}, recipe="quick")
    assert not list(run.retrain_folder().glob("*/metrics.json"))
    explanation = explain(run, run.find("0-1-0-0"), images=1)
    assert explanation.weights == "each network retrained alone"
    assert len(explanation.frame) == 3


def test_maps_too_small_to_show_places_are_refused(run, monkeypatch):
    save_weights(build(run.space, 10), run.supernet_file)
    monkeypatch.setattr("ean_search.retrain.grad_cam.MIN_MAP_PIXELS", 99)
    with pytest.raises(UserError, match="too small"):
        explain(run, run.find("1-0-0-0"), images=1)


@pytest.mark.slow
def test_a_map_without_evidence_is_said_to_be_empty(run, monkeypatch):
    save_weights(build(run.space, 10), run.supernet_file)
    with_evidence = explain(run, run.find("1-0-0-0"), images=2)
    assert with_evidence.frame.evidence.dtype == bool
    maps = [np.zeros((2, 32, 32)), np.ones((2, 32, 32)), np.ones((2, 32, 32))]
    maps[1][1] = 0
    found = iter(maps)
    titles = []
    monkeypatch.setattr("ean_search.retrain.grad_cam._maps", lambda *_: next(found))
    monkeypatch.setattr(
        "ean_search.analysis.grad_cam_picture._draw_image",
        lambda axes, image, t: titles.append(t),
    )
    explained = explain(run, run.find("1-0-0-0"), images=2)
    assert explained.frame.evidence.tolist() == [False, False, True, False, True, True]
    saved = pd.read_csv(explained.picture.with_suffix(".csv"))
    assert saved.evidence.tolist() == explained.frame.evidence.tolist()
    assert sum("empty map:\nnothing speaks for the label" in title for title in titles) == 3
