"""Each placement gets norm statistics of its own from a user's batches."""

import torch
from torch import nn

from ean_search.evaluation.norm_statistics import NormCalibration, learning_norms
from tests.networks.modules import GatedNet

BATCHES = [torch.rand(4, 1, 8, 8) for _ in range(3)]


def loss(network, batch):
    assert network.training
    return network(batch)["y"].mean()


def test_statistics_are_those_of_the_batches():
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout())
    NormCalibration(BATCHES, lambda net, batch: net(batch).mean()).apply(network.eval())
    values = torch.stack([torch.stack([b.mean(), b.var()]) for b in BATCHES]).mean(0)
    assert torch.allclose(network[0].running_mean, values[0])
    assert torch.allclose(network[0].running_var, values[1])
    assert network[0].momentum == 0.1
    assert not any(module.training for module in network.modules())


def test_frozen_norms_keep_theirs_and_weights_stay():
    network = GatedNet(2)
    frozen = network.blocks[0].body[1].requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    NormCalibration(BATCHES, loss).apply(network)
    changed = {n for n, v in network.state_dict().items() if not torch.equal(v, before[n])}
    norm = "blocks.1.body.1"
    assert changed == {
        f"{norm}.running_mean", f"{norm}.running_var", f"{norm}.num_batches_tracked"
    }  # fmt: skip
    assert frozen not in learning_norms(network)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_without_batches_nothing_changes():
    network = GatedNet(1)
    before = network.blocks[0].body[1].running_mean.clone()
    NormCalibration([], loss).apply(network)
    assert torch.equal(network.blocks[0].body[1].running_mean, before)
