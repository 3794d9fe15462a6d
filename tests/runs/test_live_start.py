"""A run on a data set whose network is a module from Python."""

import copy
import gc
import json

import pytest
import timm
import torch
from torch import nn

from ean_search.networks.builder import place
from ean_search.runs.evaluator_factory import make_shared_evaluator
from ean_search.runs.experiment import load_experiment
from ean_search.runs.live_start import give_network, with_network
from ean_search.runs.pipeline import do_run, start_run
from ean_search.utils.errors import UserError
from tests.networks.modules import GatedBlock

SETTINGS = {
    "space": {"base": "tiny"},
    "data.options": {"train": 120, "test": 20},
    "data.search_per_class": 2,
    "supernet.recipe.epochs": 1,
    "supernet.recipe.batch_size": 32,
    "search.budget": 5,
    "device": "cpu",
}


def experiment(**changes):
    return load_experiment(None, SETTINGS | changes)


def net(classes=10):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, stride=4),
        *(GatedBlock(16) for _ in range(4)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, classes),
    )


@pytest.mark.slow
def test_a_run_begins_with_the_network_and_asks_for_it_again(tmp_path):
    network = net().train()
    before = copy.deepcopy(network.state_dict())
    run = start_run(experiment(), tmp_path / "run", network=network)
    assert run.space.backbone.startswith("live/Sequential-")
    assert run.fields["supernet"]["pretrained"] == "network"
    do_run(run)  # the module is still there
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training
    assert len(run.read_trials()) == 5
    name = run.space.backbone
    del network
    gc.collect()
    with pytest.raises(UserError, match=f"the network '{name[5:]}' is a module from Python"):
        do_run(run, budget=6)
    other = net()
    with torch.no_grad():
        other[-1].bias += 1
    with pytest.raises(UserError, match="give the same module with its first weights"):
        do_run(run, budget=6, network=other)
    do_run(run, budget=6, network=net())
    assert len(run.read_trials()) == 6
    assert json.loads(run.summary_file.read_text())["trials"] == 6


def test_before_training_it_computes_what_it_did(tmp_path, monkeypatch):
    from ean_search.data.datasets import load_data
    from ean_search.utils.progress import silent

    network = net()
    run = start_run(experiment(), tmp_path / "run", network=network)
    begun = load_experiment(run.experiment_file)
    assert begun.supernet.freezes_backbone
    monkeypatch.setattr("ean_search.runs.evaluator_factory.train_supernet", lambda *_: None)
    data = load_data(begun.data)
    evaluator = make_shared_evaluator(run, begun, data, None, silent)
    images, _ = next(iter(data.search.batches(4)))
    with torch.no_grad():
        found = place(evaluator.network, begun.space.named["none"])(images)
        assert torch.equal(found, network.eval()(images))


def test_timms_data_configuration_is_used_where_there_is_one():
    network = timm.create_model("resnet10t", num_classes=10)
    network.pretrained_cfg |= {"input_size": (3, 48, 48), "mean": (0.1,) * 3, "std": (0.2,) * 3}
    begun, live = with_network(experiment(), network)
    assert begun.data.image_size == 48
    assert begun.data.mean_std == ((0.1,) * 3, (0.2,) * 3)
    assert live.example.tensors[0].shape == (1, 3, 48, 48)
    own = experiment(**{"data.image_size": 32, "data.mean_std": [[0.5] * 3, [0.5] * 3]})
    begun, _ = with_network(own, network)
    assert (begun.data.image_size, begun.data.mean_std[0][0]) == (32, 0.5)


def test_what_cannot_work_is_one_line(tmp_path, tiny):
    with pytest.raises(UserError, match=r"turns 2 images into a tensor .*; expected \(2, 10\)"):
        start_run(experiment(), tmp_path / "run", network=net(classes=3))
    with pytest.raises(UserError, match="takes no network="):
        give_network(tiny, net())
    with pytest.raises(UserError, match="cost_image_size: costs of a module from Python"):
        start_run(experiment(cost_image_size=64), tmp_path / "run", network=net())
    assert not (tmp_path / "run").exists()
