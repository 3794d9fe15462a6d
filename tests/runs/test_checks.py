"""What cannot work is refused before there is a folder."""

from types import SimpleNamespace

import pytest
import torch

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import load_space
from ean_search.core.trial import Cost
from ean_search.runs.checks import check_limits
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import start_run
from ean_search.utils.errors import UserError
from tests.helpers import SMALL_EXPERIMENT, write_folders

FOUR_CLASSES = {
    "name": "four",
    "backbone": "resnet10t",
    "backbone_args": {"num_classes": 4},
    "attention": "se",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search.options": {"no_such": 1}}, "no_such"),
        ({"search.options": {"lr": "fast"}}, "lr"),
        ({"search.limits": "sites < 2x"}, "without an x"),
        ({"search.limits": "sites > 4"}, "no placement of 'tiny' keeps the limits 'sites > 4'"),
        ({"search.limits": "sites > 2, sites < 3"}, "sites lie between 0 and 4"),
        ({"search.limits": "sites < 0"}, "no placement"),
        ({"search.scheduler": "ash"}, "did you mean 'asha'"),
        ({"data.name": "cifar10", "data.options": {}, "data.root": "nowhere"}, "no cifar10 at"),
        ({"data.search_per_class": 5000}, "training images"),
        ({"space": FOUR_CLASSES}, "num_classes is 4, but data 'clu"),
        ({"space": {"base": "tiny", "attention": "tests.helpers:Narrow"}}, "Narrow"),
        ({"device": "cuda:99"}, "no device"),
        ({"supernet.weights": "nowhere.safetensors"}, "no weights at nowhere.safetensors"),
        ({"supernet.recipe.augment.auto": "rand-m9"}, "for data in image files"),
        ({"train_workers": 3}, "3 training workers can share evenly"),
        (
            {
                "search.searcher": "random",
                "search.evaluator": "standalone",
                "standalone.augment.auto": "rand-m9",
            },
            "for data in image files",
        ),
    ],
)
def test_an_experiment_that_cannot_work_leaves_no_folder(tmp_path, changes, words):
    experiment = SMALL_EXPERIMENT | changes
    with pytest.raises(UserError, match=words):
        start_run(load_experiment(None, experiment), tmp_path / "results" / "run")
    assert not list(tmp_path.iterdir())


def test_data_of_one_class_is_refused(tmp_path):
    write_folders(tmp_path / "images", classes=["ape"])
    data = {"name": "imagefolder", "root": str(tmp_path / "images"), "search_per_class": 2}
    experiment = {"space": {"base": "tiny"}, "data": data | {"image_size": 32}}
    with pytest.raises(UserError, match=r"1 class|one class"):
        start_run(load_experiment(None, experiment), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_weights_of_another_space_are_refused(tmp_path, short_run):
    changes = {"supernet.weights": str(short_run.supernet_file), "space.attention": "eca"}
    with pytest.raises(UserError, match="does not fit"):
        start_run(load_experiment(None, SMALL_EXPERIMENT | changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ("latency < 0.5x", "latency_ms lie between 2 and 6"),
        ("latency > 7", "no placement"),
        ("params <= 10", "params lie between 100 and 140"),
        ("latency < 1.1x, params <= 10", "params"),
    ],
)
def test_limits_beyond_what_placements_cost_are_refused(limits, words):
    with pytest.raises(UserError, match=words):
        check_limits(make_problem(limits))


@pytest.mark.parametrize(
    "limits", ["", "latency < 1.1x", "latency >= 6", "sites <= 0", "params > 9"]
)
def test_limits_that_placements_can_keep_are_allowed(limits):
    check_limits(make_problem(limits))


def make_problem(limits):
    def price(placement):
        n = placement.attached
        return Cost(n, 100 + 10 * n, 1, 1, 2.0 + n, n)

    return Problem(load_space("tiny"), Objective.parse(limits=limits), price)


def test_more_training_workers_than_gpus_are_refused(monkeypatch):
    from ean_search.runs import checks

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match="at most 2 training workers"):
        checks._check_gpus(SimpleNamespace(device="cuda", train_workers=3))
