"""Folders of retrained networks: found, opened, and read back."""

from pathlib import Path

import pytest
import torch

from ean_search.analysis.run_folder import Run
from ean_search.core.space import load_space
from ean_search.data.datasets import DataSource, load_data
from ean_search.evaluation.shared_weights import top1_accuracy
from ean_search.networks.builder import slots
from ean_search.retrain.checkpoint import find_trained, open_checkpoint, preprocessing
from ean_search.retrain.retrain import plan_retraining
from ean_search.utils.errors import UserError
from tests.helpers import describe_training, write_checkpoint, write_folders


@pytest.mark.slow
def test_a_checkpoint_reads_itself_back(short_run):
    plan = plan_retraining(short_run, {"retrain.epochs": 1, "seed": 8})
    metrics = plan.train(short_run.find("1-0-0-0"), 8)
    checkpoint = open_checkpoint(Path(metrics["folder"]) / "model.safetensors")
    accuracy = top1_accuracy(checkpoint.network(), plan.data.test.batches(100))
    assert accuracy == metrics["test_accuracy"]
    words = r"it lacks layer2.0.se.*has no layer1.0.se.*trained with placement 1-0-0-0, read with"
    with pytest.raises(UserError, match=words):
        checkpoint.network(short_run.find("0-1-0-0"))


@pytest.mark.parametrize("kind", [Path, str])
def test_a_folder_is_opened_by_itself_or_by_its_weights(tmp_path, kind):
    written = write_checkpoint(tmp_path / "net", describe_training())
    for path in (written.path, written.weights_file):
        assert open_checkpoint(kind(path)) == written


def test_unfinished_and_other_folders_are_refused(tmp_path):
    with pytest.raises(UserError, match="not a retrained network"):
        open_checkpoint(tmp_path)
    written = write_checkpoint(tmp_path / "net", describe_training())
    written.metrics_file.unlink()
    with pytest.raises(UserError, match="not trained to its end"):
        open_checkpoint(written.path)


@pytest.mark.slow
def test_the_network_with_slots_computes_what_the_pruned_one_does(tmp_path, images):
    checkpoint = write_checkpoint(tmp_path / "net", describe_training("dia", "1-1-0-1"))
    network = checkpoint.network_with_slots()
    assert [slot.choice for slot in slots(network)] == [1, 1, 0, 1]
    with torch.no_grad():
        assert torch.equal(network(images), checkpoint.network()(images))


def test_networks_are_found_by_placement_recipe_and_seed(tmp_path):
    run, space = Run(tmp_path), load_space("tiny")
    for seed in (3, 2):
        folder = tmp_path / "retrain" / "quick" / f"1-0-1-0-seed{seed}"
        write_checkpoint(folder, describe_training(seed=seed))
    placement = space.parse("1-0-1-0")
    assert find_trained(run, placement).description.seed == 2
    assert find_trained(run, placement, "quick", 3).description.seed == 3
    with pytest.raises(UserError, match=r"ean-search retrain .* --placement 0-0-0-0"):
        find_trained(run, space.parse("none"))
    with pytest.raises(UserError, match="--recipe ean-cifar"):
        find_trained(run, placement, "ean-cifar")


def test_a_recipe_is_not_mistaken_for_a_folder_above_the_run(tmp_path):
    run, placement = Run(tmp_path / "quick" / "run"), load_space("tiny").parse("1-0-1-0")
    write_checkpoint(run.retrain_folder() / "1-0-1-0-seed0", describe_training())
    assert find_trained(run, placement).description.seed == 0
    with pytest.raises(UserError, match="not retrained yet"):
        find_trained(run, placement, "quick")


def test_a_recipe_is_found_below_pretrained_weights_too(tmp_path):
    run, placement = Run(tmp_path), load_space("tiny").parse("1-0-1-0")
    folder = run.retrain_folder("quick", pretrained=True) / "1-0-1-0-seed0"
    write_checkpoint(folder, describe_training(pretrained="timm"))
    assert find_trained(run, placement, "quick").path == folder
    with pytest.raises(UserError, match="not retrained yet"):
        find_trained(run, placement, "pretrained")


def test_preprocessing_says_how_images_become_tensors(tmp_path):
    options = {"train": 100, "test": 20}
    canvases = load_data(DataSource(options=options, search_per_class=2))
    assert preprocessing(canvases) == {
        "input_size": [3, canvases.image_size, canvases.image_size],
        "crop_pct": 1.0,
        "interpolation": "bilinear",
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
    }
    write_folders(tmp_path / "data")
    source = DataSource(name="imagefolder", root=str(tmp_path / "data"), image_size=32,
                        search_per_class=1, workers=0)  # fmt: skip
    files = preprocessing(load_data(source))
    assert files == {"input_size": [3, 32, 32], "crop_pct": 224 / 256, "interpolation": "bilinear"}
