import json
import shutil
from pathlib import Path

import pytest

from ean_search.analysis.rank_correlation import agreement_frame, rank_correlations
from ean_search.analysis.run_folder import TrainingFolder, load_run

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


def train(run, placement, accuracy, seed=0, recipe=None):
    folder = TrainingFolder(run.retrain_folder(recipe) / f"{placement}-seed{seed}")
    folder.path.mkdir(parents=True)
    about = {"placement": placement, "seed": seed}
    folder.description_file.write_text(json.dumps(about))
    metrics = about | {"test_accuracy": accuracy, "test_images": 10}
    folder.metrics_file.write_text(json.dumps(metrics))


@pytest.fixture
def run(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "run")
    return load_run(tmp_path / "run")


def test_trainings_stand_beside_their_estimates(run):
    tried = {trial.placement for trial in run.read_trials()}
    unseen = next(each for each in run.space.enumerate() if each not in tried)
    assert agreement_frame(run).empty
    train(run, "000-0000-000000-000", 0.7)
    train(run, "000-0000-000000-000", 0.72, seed=1)
    train(run, str(unseen), 0.9)
    frame = agreement_frame(run)
    assert frame.note.tolist() == ["none", "none", ""]
    assert frame.estimate.tolist()[:2] == [run.read_trials()[0].accuracy] * 2
    assert frame.estimate.isna()[2]
    assert frame.alone.tolist() == [0.7, 0.72, 0.9]
    assert frame.seed.tolist() == [0, 1, 0]


def test_trainings_by_a_recipe_are_read_too(run):
    train(run, "000-0000-000000-000", 0.7)
    train(run, "000-0000-000000-000", 0.8, recipe="quick")
    train(run, "111-1111-111111-111", 0.9, recipe="mine.yaml")
    assert agreement_frame(run).alone.tolist() == [0.7, 0.9, 0.8]


def test_verified_trials_are_read_too(run):
    lines = run.trials_file.read_text().splitlines(keepends=True)
    (run.path / "verified.jsonl").write_text("".join(lines[:2]))
    train(run, "000-0000-000000-000", 0.7)
    frame = agreement_frame(run)
    assert frame.kind.tolist() == ["verified", "verified", "retrained"]
    assert frame.alone.tolist() == [*(trial.accuracy for trial in run.read_trials()[:2]), 0.7]


def test_their_order_is_compared_over_means_of_seeds(run):
    trials = sorted(run.read_trials(), key=lambda trial: trial.accuracy)
    worst, middle, best = (str(trials[at].placement) for at in (0, 32, -1))
    train(run, worst, 0.7)
    assert rank_correlations(agreement_frame(run)) == {}
    train(run, middle, 0.6)
    train(run, middle, 0.9, seed=1)
    train(run, best, 0.8)
    assert rank_correlations(agreement_frame(run)) == {"retrained": 1}
