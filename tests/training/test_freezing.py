"""A frozen backbone: its weights and statistics stay, and attention learns."""

import pytest
import torch

from ean_search.networks.builder import build, place
from ean_search.training.freezing import (
    freeze,
    frozen_backbone,
    keep_in_evaluation,
    unfreeze,
)
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.errors import UserError
from tests.helpers import blobs

RECIPE = Recipe(epochs=2, batch_size=16, lr=0.01, warmup_epochs=0)


def test_only_attention_learns(tiny):
    network = place(build(tiny, classes=3), tiny.named["all"])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fit(network, blobs(64, 0, 32), RECIPE, TrainingContext(find_frozen=frozen_backbone))
    changed = {n for n, v in network.state_dict().items() if not torch.equal(v, before[n])}
    assert changed
    assert all(".attentions." in name for name in changed)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_frozen_norms_are_in_evaluation_mode_whatever_the_network_is(tiny):
    network = build(tiny, classes=3)
    fixed = network.layer1[0].bn1.bias.requires_grad_(False)
    frozen = frozen_backbone(network)
    learnt = freeze(frozen)
    network.train()
    keep_in_evaluation(frozen)
    assert not network.layer1[0].bn1.training
    assert all(m.training for m in network.layer1[0].se.attentions.modules())
    unfreeze(learnt)
    assert network.conv1[0].weight.requires_grad
    assert not fixed.requires_grad  # it did not learn before


def test_a_frozen_network_with_nothing_to_learn_is_refused():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 3))
    with pytest.raises(UserError, match="nothing in the network learns"):
        fit(network, blobs(64, 0, 32), RECIPE, TrainingContext(find_frozen=frozen_backbone))
