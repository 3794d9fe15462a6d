"""A loss that is not finite: what is blamed is what made it so."""

import pytest
import torch
from torch import nn

from ean_search.attention.base import Attention
from ean_search.core.space import load_space
from ean_search.networks.builder import build, place, prune
from ean_search.training.non_finite import find_cause
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.errors import DivergedError
from tests.helpers import blobs

RECIPE = Recipe(epochs=2, batch_size=8, lr=0.01, warmup_epochs=0)
RATE_HINT = "A lower learning rate"
pytestmark = pytest.mark.usefixtures("one_thread")


class Plain(Attention):
    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x):
        return x * self.scale


class LogOfNegative(Plain):
    """Fails on some maps only."""

    def forward(self, x):
        return x * self.scale * (x.log() if x.shape[1] == 128 and self.training else 1)


class Inner(Plain):
    def __init__(self, channels):
        super().__init__(channels)
        self.root = Root()

    def forward(self, x):
        return self.root(x * self.scale) * 1


class Root(nn.Module):
    def forward(self, x):
        return (x - x.detach() - 1).sqrt()


class RootAtZero(Plain):
    """Its output is finite, its gradient is not."""

    def forward(self, x):
        return x * self.scale + (x * 0).abs().sqrt()


class Later(Plain):
    """Fails after some updates."""

    def forward(self, x):
        return x * (1 - (self.scale - 1).abs().max() / 0.015).sqrt() * self.scale


def step_of(space, name):
    placement = space.named[name]

    def step(network, batch):
        yield batch.loss(place(network, placement)(batch.images))

    return step


def diverge(kind, recipe=RECIPE, name="all", tmp_path=None, images=32):
    space = load_space("tiny", attention=f"{__name__}:{kind}", unit_gate=False)
    context = TrainingContext(
        step=step_of(space, name), checkpoint=tmp_path and tmp_path / "state.pt"
    )
    with pytest.raises(DivergedError) as caught:
        fit(build(space, 3), blobs(images, 0, size=32), recipe, context)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_attention_is_named_with_its_site_and_its_map():
    message = diverge("LogOfNegative")
    assert "the loss became nan in epoch 1" in message
    words = "first output that is not finite is that of layer2.0.se.attentions.0 "
    assert words + "(attention LogOfNegative) on a finite input of 8 x 128 x 4 x 4" in message
    assert RATE_HINT not in message


def test_a_part_of_an_attention_is_named_with_it():
    message = diverge("Inner")
    assert "layer1.0.se.attentions.0 (attention Inner, its root: Root)" in message
    assert RATE_HINT not in message


def test_a_gradient_that_is_not_finite_is_found_before_it_spoils_the_weights():
    message = diverge("RootAtZero", name="last-per-stage")
    assert "first gradient that is not finite is that of layer4.0.se.attentions.0" in message
    assert RATE_HINT not in message


@pytest.mark.slow
def test_what_fails_in_a_later_epoch_is_found_from_the_checkpoint(tmp_path):
    recipe = RECIPE.model_copy(update={"optimizer": "adamw", "lr": 1e-3, "epochs": 200})
    message = diverge("Later", recipe, tmp_path=tmp_path)
    assert "holds the state after epoch" in message
    assert "(attention Later) on a finite input of 8 x " in message
    assert RATE_HINT not in message


def test_a_shared_attention_is_named_by_the_site_where_it_failed():
    class TwoMaps(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Sequential(), nn.Sequential()
            shared = LogOfNegative(128)
            self.first.append(shared)
            self.second.append(shared)

        def forward(self, x):
            with torch.no_grad():
                x = self.first(x)
            return self.second(-x)

    net = TwoMaps()
    cause = find_cause(net, torch.ones(2, 128, 4, 4), lambda: net(torch.ones(2, 128, 4, 4)))
    assert "that of second (attention LogOfNegative) on a finite input of 2 x 128" in cause.text


def test_the_learning_rate_is_blamed_where_the_backbone_overflows():
    message = diverge("Plain", RECIPE.model_copy(update={"lr": 1e30}), name="none")
    assert "first output that is not finite is that of " in message
    assert RATE_HINT in message


def test_the_learning_rate_may_be_the_reason_where_an_attention_has_huge_weights():
    message = diverge("Plain", RECIPE.model_copy(update={"lr": 1e38, "optimizer": "momentum"}))
    assert RATE_HINT in message


def test_a_loss_that_is_not_finite_though_the_output_is():
    def step(network, batch):
        yield batch.loss(network(batch.images)) / 0

    space = load_space("tiny")
    with pytest.raises(DivergedError, match=r"all modules are finite, but not the loss\. A lower"):
        fit(build(space, 3), blobs(32, 0, size=32), RECIPE, TrainingContext(step=step))


def test_images_and_weights_that_are_not_finite_already_are_said_to_be():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
    images = torch.full((2, 3, 4, 4), torch.nan)
    cause = find_cause(net, images, lambda: net(images))
    assert (cause.text, cause.may_be_rate) == ("the images of the batch are not finite", False)
    net[1].weight.data[0] = torch.nan
    cause = find_cause(net, torch.ones(2, 3, 4, 4), lambda: None)
    assert cause.text == "1 of 4 weight tensors were not finite before: 1.weight"
    assert cause.may_be_rate


def test_nothing_is_left_in_the_network():
    space = load_space("tiny")
    net = prune(build(space, 3), space.named["all"])
    images = torch.ones(2, 3, 32, 32)
    find_cause(net, images, lambda: net(images).sum().backward())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert all(weight.grad is None for weight in net.parameters())
