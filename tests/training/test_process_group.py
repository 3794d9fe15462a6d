"""What the training loop asks of the processes that train together, and a group of one."""

import pytest
import torch
from torch import nn

from ean_search.training.process_group import SingleProcess
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import TrainingContext, fit
from tests.helpers import blobs

RECIPE = Recipe(epochs=1, batch_size=8, lr=0.01, warmup_epochs=0, optimizer="momentum")


class HalfOfTwo(SingleProcess):
    """One of two processes that see the same images: gradients and losses are those of both."""

    def __init__(self):
        self.wrapped = []

    def wrap(self, network):
        self.wrapped.append(network)
        return nn.Sequential(network)

    def mean(self, value):
        return (value + 3 * value) / 2


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def losses(group):
    return [epoch["loss"] for epoch in fit(make_network(), blobs(24, 0), RECIPE, group)]


def test_one_process_trains_the_network_itself_and_leads():
    network, loss = make_network(), torch.tensor(0.25)
    alone = SingleProcess()
    assert alone.wrap(network) is network
    assert alone.mean(loss) is loss
    assert alone.leads


def test_the_loop_reports_the_mean_of_the_group():
    alone = losses(TrainingContext())
    assert losses(TrainingContext(group=HalfOfTwo())) == pytest.approx([2 * x for x in alone])


def test_steps_call_the_wrapped_network_and_the_weights_stay_those_of_the_network(tmp_path):
    called, group, network = [], HalfOfTwo(), make_network()

    def step(net, batch):
        called.append(net)
        yield batch.loss(net(batch.images))

    checkpoint = tmp_path / "state.pt"
    context = TrainingContext(group=group, step=step, checkpoint=checkpoint)
    fit(network, blobs(24, 0), RECIPE, context)
    assert group.wrapped == [network]
    assert {net[0] for net in called} == {network}
    assert set(called) != {network}
    saved = torch.load(checkpoint, weights_only=True)["network"]
    assert list(saved) == list(network.state_dict())  # without the wrapper's prefix
