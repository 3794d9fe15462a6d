"""What `--quick` chooses for data and backbones of several kinds."""

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import IterableDataset

from ean_search.cli.main import main
from ean_search.data.datasets import load_data
from ean_search.runs import quick
from ean_search.runs.experiment import given_fields, load_experiment
from ean_search.runs.quick import quick_retraining, quick_run
from ean_search.utils.errors import UserError
from tests.helpers import SMALL_EXPERIMENT, read_split, write_folders

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


def test_of_many_test_images_some_of_each_class_are_used(monkeypatch):
    monkeypatch.setattr(quick, "TEST_IMAGES", 55)
    experiment = load_experiment(None, SMALL_EXPERIMENT)
    for changes in (quick_run(experiment), quick_retraining(experiment)):
        assert changes["data.test_per_class"] == 5
        test = load_data(load_experiment(None, SMALL_EXPERIMENT | changes).data).test
        assert np.bincount(read_split(test)[1]).tolist() == [5] * 10


def test_images_that_the_user_holds_out_leave_as_many_to_train_with(monkeypatch):
    monkeypatch.setattr(quick, "TRAIN_IMAGES", 200)
    fields = SMALL_EXPERIMENT | {"data.search_per_class": 25}
    changes = quick_run(load_experiment(None, fields), given={"data.search_per_class"})
    assert changes["data.train_per_class"] == 50
    data = load_data(load_experiment(None, fields | changes).data)
    assert (len(data.train), len(data.search)) == (250, 250)


class LongStream(IterableDataset):
    """Gives more images than are needed, of three classes."""

    def __len__(self):
        return 5000

    def __iter__(self):
        return ((torch.zeros(3, 64, 64), k % 3) for k in range(5000))


def test_long_streams_are_limited(monkeypatch, tmp_path):
    monkeypatch.setattr("ean_search.data.file_datasets._create", lambda *_, **__: LongStream())
    fields = {"space": "tiny", "data.name": "timm:wds/", "data.root": str(tmp_path)}
    fields |= {"data.options": {"search": "val", "classes": 3}}
    experiment = load_experiment(None, fields)
    changes = quick_run(experiment)
    assert changes["data.options.max_images"] == 1000
    assert changes["supernet.recipe.epochs"] == 7  # of 15 updates each
    assert quick_retraining(experiment)["data.options.max_images"] == 1000
    data = load_data(load_experiment(None, fields | changes).data)
    assert [len(split) for split in (data.train, data.search, data.test)] == [1000] * 3
    given = {"data.options.max_images": 90}
    fewer = quick_run(load_experiment(None, fields | given), given=given)
    assert "data.options.max_images" not in fewer
    assert fewer["supernet.recipe.batch_size"] == 8


def test_what_is_given_stays_and_the_rest_fits_it():
    experiment = load_experiment(None, SMALL_EXPERIMENT | {"supernet.recipe.batch_size": 250})
    given = {"supernet.recipe.batch_size", "retrain", "search"}
    changes = quick_run(experiment, given)
    assert "supernet.recipe.batch_size" not in changes
    assert changes["supernet.recipe.epochs"] == 20  # at most; of 2 updates each
    assert not any(field.startswith(("retrain", "search")) for field in changes)


def test_what_an_experiments_file_says_wins(tmp_path, caplog):
    file = tmp_path / "mine.yaml"
    base = {"space": {"base": "tiny"}, "supernet": {"recipe": {"epochs": 1, "batch_size": 50}}}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    data = {"options": {"train": 600, "test": 100}, "search_per_class": 10}
    own = {"base": "base.yaml", "data": data, "search": {"budget": 3, "searcher": "random"}}
    file.write_text(yaml.safe_dump(own))
    words = f"run --experiment {file} --quick --results {tmp_path} --name q --device cpu --steps 1"
    with pytest.MonkeyPatch.context() as patch:  # what is set is all that matters
        patch.setattr("ean_search.runs.pipeline.do_run", interrupt)
        assert main(words.split()) == 130
    (said,) = [line for line in caplog.messages if line.startswith("--quick sets ")]
    assert said.split(" (")[0] == "--quick sets retrain.batch_size=32 retrain.epochs=12"
    saved = tmp_path / "tiny" / "q" / "experiment.yaml"
    experiment = load_experiment(saved)
    assert (experiment.search.budget, experiment.search.steps) == (3, 1)
    assert experiment.supernet.recipe.epochs == 1
    assert not quick_run(experiment, given_fields(saved, {}))


def interrupt(*_, **__):
    raise KeyboardInterrupt


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
