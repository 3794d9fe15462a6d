"""The evaluators that experiments ask for, with and without workers."""

import subprocess
import sys

import pytest
import torch

from ean_search.core.objective import Problem
from ean_search.data.datasets import Data, load_data
from ean_search.data.search_images import divide_search
from ean_search.data.splits import TensorSplit
from ean_search.distributed.config import Workers
from ean_search.runs.evaluator_factory import (
    calibration_images,
    choose_trainer,
    choose_workers,
    make_shared_evaluator,
    make_standalone_evaluator,
    search_evaluator,
    training_evaluator,
)
from ean_search.runs.experiment import load_experiment
from ean_search.search.evaluator import is_joint
from ean_search.training.trainer import fit
from ean_search.utils.progress import silent
from tests.helpers import SMALL_EXPERIMENT


@pytest.fixture
def standalone(small_run):
    experiment = load_experiment(None, SMALL_EXPERIMENT | {"standalone.epochs": 1})
    return make_standalone_evaluator(small_run, experiment, load_data(experiment.data), silent)


@pytest.fixture
def shared(small_run):
    experiment = load_experiment(small_run.experiment_file)
    data, _ = divide_search(load_data(experiment.data), experiment.search.judge_share)
    return make_shared_evaluator(small_run, experiment, data, None, silent)


@pytest.fixture
def problem(small_run):
    experiment = load_experiment(small_run.experiment_file)
    return Problem(small_run.space, experiment.search.goal, small_run.read_costs().price)


def test_calibration_images_are_of_all_classes_even_if_the_data_are_sorted():
    labels = torch.arange(10).repeat_interleave(100)
    train = TensorSplit(labels.float()[:, None, None, None].expand(-1, 3, 8, 8), labels)
    data = Data("sorted", 10, 8, train, train, train, train)
    images = calibration_images(data, 64)
    assert images.shape == (64, 3, 8, 8)
    assert len(images[:, 0, 0, 0].unique()) == 10
    assert torch.equal(images, calibration_images(data, 64))
    assert calibration_images(data, 0) is None


def test_workers_are_the_default_only_on_several_gpus(monkeypatch):
    assert choose_workers(None, "cpu") is None
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_workers(None, "cuda") is None
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert choose_workers(None, "cuda") == Workers(count=4, gpus=1.0)
    assert choose_workers(None, "cuda:1") is None
    assert choose_workers(Workers(count=8), "cuda").gpus == 0.5
    assert choose_workers(Workers(count=3), "cuda").gpus == 1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert choose_workers(Workers(count=8), "cuda").gpus == 1 / 3  # three on each have room
    assert choose_workers(Workers(count=8, gpus=0.25), "cuda").gpus == 0.25


def test_one_process_trains_by_default_and_several_get_one_gpu_each(tmp_path):
    assert choose_trainer(load_experiment(None, SMALL_EXPERIMENT), tmp_path) is fit
    experiment = load_experiment(None, SMALL_EXPERIMENT | {"train_workers": 3})
    trainer = choose_trainer(experiment, tmp_path, Workers(count=8, cpus=2))
    assert trainer.keywords["folder"] == tmp_path
    group = trainer.keywords["workers"]
    assert (group.count, group.cpus, group.gpus) == (3, 2, 0.0)


def test_a_shared_evaluator_uses_the_trained_weights_of_the_run(shared, small_run):
    none = small_run.find("none")
    accuracies = small_run.frame().set_index("placement").accuracy
    (result,) = shared.evaluate([none])
    assert result.accuracy == accuracies[str(none)]


def test_cohorts_race_only_if_the_experiment_says_so(shared, problem, tmp_path):
    for racing in (False, True):
        experiment = load_experiment(None, SMALL_EXPERIMENT | {"search.racing": racing})
        with search_evaluator(shared, experiment, problem, None, tmp_path, 0) as evaluator:
            assert is_joint(evaluator) == racing


def test_a_standalone_search_trains_in_this_process_without_workers(standalone, problem, tmp_path):
    experiment = load_experiment(None, SMALL_EXPERIMENT | {"search.evaluator": "standalone"})
    with search_evaluator(standalone, experiment, problem, None, tmp_path, 0) as evaluator:
        assert evaluator is standalone
    with training_evaluator(standalone, None, tmp_path) as evaluator:
        assert evaluator is standalone


@pytest.mark.slow
def test_runs_in_one_process_do_not_import_ray():
    code = "import ean_search.runs.pipeline, ean_search.retrain.retrain, sys; "
    code += "print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
