"""Trainings for other tasks, on backbones that were retrained or start from random weights."""

import pytest
import torch

from ean_search.retrain.compare import select_placements
from ean_search.retrain.retrain import plan_retraining
from ean_search.retrain.transfer.runner import Transfer, transfer
from ean_search.utils.errors import UserError
from tests.helpers import read_scalars


@pytest.mark.slow
@pytest.mark.parametrize("name", ["detect", "segment"])
def test_backbones_are_compared_and_finished_trainings_kept(short_run, make_short_task, name):
    plan = plan_retraining(short_run, {"device": "cpu"})
    transfers = Transfer(plan, make_short_task(name), scratch=True)
    chosen = select_placements(short_run, "1-0-0-0", "none")
    frame = transfer(transfers, chosen, [0, 1], rounds=1)
    assert list(frame["name"]) == ["1-0-0-0", "none"]
    assert frame.accuracy.between(0, 1).all()
    assert (transfers.folder / "comparison.csv").is_file()
    finished = transfers.folder / "0-0-0-0-seed1" / "metrics.json"
    before = finished.stat().st_mtime_ns
    again = transfer(transfers, chosen, [0, 1], rounds=1)
    assert finished.stat().st_mtime_ns == before
    assert list(again.accuracy) == list(frame.accuracy)
    scalars = read_scalars(
        short_run.tensorboard_folder / f"transfer/{name}/scratch/{name}_on_1-0-0-0,_seed_1"
    )
    steps = {tag.rpartition("/")[2]: [step for step, _ in curve] for tag, curve in scalars.items()}
    assert steps == {"loss": [4], "lr": [4]}  # the updates of one epoch
    other = Transfer(plan, make_short_task(name, train=40), scratch=True)
    with pytest.raises(UserError, match="other settings"):
        other.train(short_run.find("none"), 0)


@pytest.mark.slow
def test_backbones_start_from_retrained_weights(short_run, make_short_task):
    plan = plan_retraining(short_run, {"retrain.epochs": 1, "seed": 4})
    transfers = Transfer(plan, make_short_task("classify:cluttered"))
    with pytest.raises(UserError, match="not retrained yet"):
        transfer(transfers, select_placements(short_run, "0-0-1-0", "none"), [4])
    assert not transfers.folder.exists()
    plan.train(short_run.find("0-0-1-0"), 4)
    network = transfers.network(short_run.find("0-0-1-0"), 4)
    trained = plan.checkpoint(short_run.find("0-0-1-0"), 4).network()
    assert torch.equal(network.conv1[0].weight, trained.conv1[0].weight)
    assert not torch.equal(network.fc.weight, trained.fc.weight)


def test_the_seed_determines_the_head(short_run, make_short_task):
    plan = plan_retraining(short_run, {"device": "cpu"})
    transfers = Transfer(plan, make_short_task("segment"), scratch=True)
    none = short_run.find("none")
    one, same, other = (transfers.network(none, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["classifier.0.weight"], other["classifier.0.weight"])


def test_folders_are_named_by_the_task_and_the_start_of_the_backbones(short_run, make_short_task):
    task = make_short_task("segment")
    folders = [
        Transfer(plan_retraining(short_run), task, scratch=True).folder,
        Transfer(plan_retraining(short_run), task).folder,
        Transfer(plan_retraining(short_run, recipe="quick"), task).folder,
    ]
    parent = short_run.path / "transfer" / "segment"
    assert folders == [parent / "scratch", parent / "own", parent / "quick"]


def test_a_training_that_fails_leaves_no_folder(short_run, make_short_task, monkeypatch):
    plan = plan_retraining(short_run, {"device": "cpu"})
    transfers = Transfer(plan, make_short_task("segment"), scratch=True)

    def fail(*_):
        raise UserError("the disk burns")

    with monkeypatch.context() as patch:
        patch.setattr("ean_search.retrain.transfer.runner.fit", fail)
        with pytest.raises(UserError, match="the disk burns"):
            transfers.train(short_run.find("0-1-1-1"), 40)
    assert not (transfers.folder / "0-1-1-1-seed40").exists()
