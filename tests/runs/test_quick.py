"""What `--quick` chooses for data and backbones of several kinds."""

import pytest

from ean_search.cli.main import main
from ean_search.data.datasets import load_data
from ean_search.runs import quick
from ean_search.runs.experiment import load_experiment
from ean_search.runs.quick import quick_retraining, quick_run
from ean_search.utils.errors import UserError
from tests.helpers import SMALL_EXPERIMENT, write_folders

VIT = {"space.backbone_args": {"depth": 1, "embed_dim": 48}}


def experiment_of(root, backbone, **changes):
    space = {"name": "any", "backbone": backbone, "attention": "se"}
    fields = {"data.name": "imagefolder", "data.root": str(root), "data.workers": 0}
    return load_experiment(None, {"space": space} | fields | changes)


def test_few_images_are_divided_so_that_all_parts_have_some(tmp_path):
    write_folders(tmp_path, ("train",), ("ape", "bee"), per_class=30)
    write_folders(tmp_path, ("train",), ("cat",), per_class=3)
    write_folders(tmp_path, ("val",), per_class=2)
    experiment = experiment_of(tmp_path, "resnet18")
    with pytest.raises(UserError, match="too few to hold 100 out"):
        load_data(experiment.data)
    changes = quick_run(experiment)
    assert changes["data.image_size"] == 64
    assert changes["data.search_per_class"] == 2  # a quarter of the mean would take all of a class
    assert changes["supernet.recipe.batch_size"] == 8
    assert changes["supernet.recipe.epochs"] == 15  # of 7 updates each
    quick_experiment = experiment_of(tmp_path, "resnet18", **changes)
    assert len(load_data(quick_experiment.data).search) == 6


@pytest.mark.parametrize(
    ("backbone", "size"), [("vit_tiny_patch16_224", 64), ("eva02_tiny_patch14_224", 112)]
)
def test_images_are_of_the_first_size_that_the_backbone_takes(tmp_path, backbone, size):
    write_folders(tmp_path, per_class=5)
    assert quick_run(experiment_of(tmp_path, backbone, **VIT))["data.image_size"] == size


def test_of_many_images_some_of_each_class_are_used(monkeypatch):
    monkeypatch.setattr(quick, "TRAIN_IMAGES", 800)
    many = SMALL_EXPERIMENT | {"data.search_per_class": 20}
    many |= {"data.options": {"train": 1200, "test": 200}}
    experiment = load_experiment(None, many)
    changes = quick_run(experiment, given={"search.budget"})
    assert "search.budget" not in changes
    assert "data.image_size" not in changes  # 32 px already
    assert changes["data.train_per_class"] == 80
    data = load_data(load_experiment(None, many | changes).data)
    sizes = [len(split) for split in (data.train, data.search, data.train_and_search)]
    assert sizes == [600, 200, 800]
    retraining = quick_retraining(experiment)
    assert retraining["data.train_per_class"] == 80
    assert retraining["retrain.epochs"] == 17  # of 12 updates each
    assert "data.image_size" not in retraining


@pytest.mark.slow
def test_the_commands_say_what_it_sets(tmp_path, caplog):
    words = "run --space tiny --name q --quick --budget 3 --epochs 1 --device cpu --results"
    options = "--set data.options.train=600 --set data.options.test=100"
    assert main([*words.split(), str(tmp_path), *options.split()]) == 0
    (said,) = [line for line in caplog.messages if line.startswith("--quick sets ")]
    assert "retrain.epochs=12" in said
    assert "supernet.recipe.epochs" not in said
    run = tmp_path / "tiny" / "q"
    experiment = load_experiment(run / "experiment.yaml")
    assert (experiment.search.budget, experiment.supernet.recipe.epochs) == (3, 1)
    assert experiment.data.search_per_class == 15
    assert main(["retrain", str(run), "--placement", "none", "--epochs", "1", "--quick"]) == 0
    assert any("retrain.batch_size=32" in line for line in caplog.messages)
