"""What an experiment leaves open: device, sites, and the one image size of data and costs."""

import pytest
import torch

from ean_search.analysis.figure_layout import axis_labels
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.costs.flops import count_flops
from ean_search.costs.measure import measure_costs
from ean_search.networks.builder import build
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import do_run, start_run
from ean_search.runs.resolve_experiment import resolve
from ean_search.utils.errors import UserError
from tests.helpers import write_fashion

SMALL = {
    "data.options": {"train": 300, "test": 50},
    "data.search_per_class": 10,
    "supernet.recipe.epochs": 1,
    "search.budget": 5,
    "device": "cpu",
}


def resolved(space="tiny", **changes):
    return resolve(load_experiment(None, {"space": {"base": space}} | SMALL | changes))


def test_the_datas_size_governs_the_spaces():
    assert resolved("resnet18_shared").space.image_size == 32  # the space's file says 224
    larger = resolved("resnet18_shared", **{"data.image_size": 48})
    assert (larger.space.image_size, larger.data.image_size) == (48, 48)
    assert resolved().data.image_size == 32  # spelled out, though nobody asked


def test_resolving_twice_changes_nothing():
    once = resolved("resnet18_shared")
    assert resolve(once) == once


@pytest.mark.slow
def test_accuracy_and_costs_are_of_the_same_images(tmp_path):
    experiment = load_experiment(None, {"space": {"base": "tiny", "image_size": 64}} | SMALL)
    run = start_run(experiment, tmp_path / "run")
    do_run(run)
    assert run.read_costs().image_size == 32
    assert RunAnalysis(run).cost_image_sizes == [32]


@pytest.mark.slow
def test_another_size_for_costs_is_asked_for_by_name_and_said(tmp_path):
    changes = {"space": {"base": "tiny"}, "cost_image_size": 64} | SMALL
    run = start_run(load_experiment(None, changes), tmp_path / "run")
    do_run(run)
    assert (run.read_costs().image_size, run.space.image_size) == (64, 32)
    labels = axis_labels(RunAnalysis(run).cost_image_sizes)
    assert labels["latency_ms"] == "latency (ms), 64 px"
    assert labels["sites"] == "attached sites"


def test_a_backbone_of_one_size_cannot_be_priced_at_another():
    with pytest.raises(UserError, match=r"cost_image_size: .* does not take 96 px"):
        resolved("deit_tiny_mrla", cost_image_size=96)


def test_data_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="nowhere"):
        resolved(**{"data.name": "cifar10", "data.root": "nowhere", "data.options": {}})


def test_gray_images_make_a_backbone_of_one_channel(tmp_path):
    write_fashion(tmp_path)
    fields = {"space": {"base": "tiny"}, "device": "cpu", "data.name": "fashion_mnist"}
    fields |= {"data.root": str(tmp_path), "data.search_per_class": 1}
    assert "in_chans" not in resolve(load_experiment(None, fields)).space.backbone_args
    space = resolve(load_experiment(None, fields | {"data.options": {"channels": 1}})).space
    assert (space.backbone_args["in_chans"], space.image_size) == (1, 28)
    network = build(space, classes=10).eval()
    assert network(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    plain = measure_costs(space, classes=10, rounds=1).plain
    assert plain.macs == count_flops(network, torch.zeros(1, 1, 28, 28))[0]
