"""Every shipped experiment runs, with short budgets, on small data in the real formats."""

from pathlib import Path

import pytest
from torchvision.datasets import CIFAR100

from ean_search.networks.backbones.resnet164 import CifarResNet
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import do_run, start_run
from tests.helpers import write_cifar, write_folders

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("ean_*.yaml"))
SHORT_BUDGETS = {
    "data.workers": 0,
    "data.search_per_class": 1,
    "supernet.recipe.epochs": 1,
    "supernet.recipe.batch_size": 4,
    "retrain.epochs": 1,
    "search.steps": 1,
    "search.budget": 8,
    "search.cohort": 2,
    "cost_batch": 1,
    "device": "cpu",
}


def short_resnet(num_classes):
    """Build 3 blocks per stage in place of 18: the same code in a sixth of the time."""
    return CifarResNet(3, num_classes)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_shipped_experiment_runs(path, tmp_path, monkeypatch):
    changes = dict(SHORT_BUDGETS)
    if "imagenet" in path.stem:
        write_folders(tmp_path / "data", per_class=3)
        changes |= {"data.root": str(tmp_path / "data"), "data.image_size": 32}
        changes |= {"space.image_size": 32}
    else:
        write_cifar(tmp_path / "data", monkeypatch, CIFAR100, 100, 2)
        changes |= {"data.root": str(tmp_path / "data"), "supernet.recipe.batch_size": 50}
        changes |= {"space.backbone": f"{__name__}:short_resnet", "space.stages": [3, 3, 3]}
    run = start_run(load_experiment(path, changes), tmp_path / "run")
    do_run(run)
    frame = run.frame()
    assert frame.accuracy.between(0, 1).all()
    assert {"none", "all"} <= set(frame.note)
    assert run.front_picture.is_file()


PRETRAINED = ["fashion_vit_own", "fashion_mobilenet_own", "lite0_fashion", "table_vit"]


@pytest.mark.parametrize("name", PRETRAINED)
def test_experiments_from_pretrained_weights_can_be_read(name):
    experiment = load_experiment(EXPERIMENTS[0].parent / f"{name}.yaml")
    assert experiment.supernet.pretrained
    assert experiment.data.name == "fashion_mnist"
