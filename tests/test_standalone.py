import json
import shutil
from pathlib import Path

import pytest

from ean_search.folder import load_run
from ean_search.standalone import rank_correlation, standalone_frame

EXAMPLE = Path(__file__).parents[1] / "results" / "example"


def train(run, placement, accuracy, seed=0):
    folder = run.path / "retrain" / f"{placement}-seed{seed}"
    folder.mkdir(parents=True)
    metrics = {"placement": placement, "test_accuracy": accuracy, "seed": seed, "test_images": 10}
    (folder / "metrics.json").write_text(json.dumps(metrics))


@pytest.fixture
def run(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "run")
    return load_run(tmp_path / "run")


def test_trainings_stand_beside_their_estimates(run):
    assert standalone_frame(run).empty
    train(run, "000-0000-000000-000", 0.7)
    train(run, "000-0000-000000-000", 0.72, seed=1)
    train(run, "111-1111-111111-110", 0.9)
    frame = standalone_frame(run)
    assert frame.note.tolist() == ["none", "none", ""]
    assert frame.estimate.tolist()[:2] == [0.714, 0.714]
    assert frame.estimate.isna()[2]  # never a trial of the search
    assert frame.alone.tolist() == [0.7, 0.72, 0.9]


def test_their_order_is_compared_over_means_of_seeds(run):
    train(run, "000-0000-000000-000", 0.7)
    assert rank_correlation(standalone_frame(run)) != rank_correlation(standalone_frame(run))
    train(run, "111-1111-111111-111", 0.6)
    train(run, "111-1111-111111-111", 0.9, seed=1)
    train(run, "011-1001-110000-100", 0.8)
    assert rank_correlation(standalone_frame(run)) == 1
