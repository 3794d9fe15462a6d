"""Fine-tuning on a user's batches, by a user's loss."""

import math

import pytest
import torch
from torch import nn

from ean_search.networks.builder import build
from ean_search.networks.example import Example
from ean_search.networks.live import register_live
from ean_search.networks.site_table import live_space
from ean_search.training.fine_tune import FineTuner, FineTuning, check_loss, scalar_loss
from ean_search.utils.errors import DivergedError, UserError
from tests.networks.modules import GatedNet

LIVE = register_live(GatedNet(2), Example.of(torch.zeros(1, 1, 8, 8)))
BATCHES = [torch.rand(4, 1, 8, 8) for _ in range(3)]


def loss(network, batch):
    return {"y": (network(batch)["y"] ** 2).mean(), "also": torch.zeros(())}


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def tuned(attention="own", loader=BATCHES, **settings):
    context = {k: settings.pop(k) for k in ("checkpoint", "make_optimizer") if k in settings}
    function = settings.pop("function", loss)
    space = live_space(LIVE, attention)
    network = build(space)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    FineTuner(space, FineTuning(**settings), loader, function, **context).fit(network)
    changed = {n for n, v in network.state_dict().items() if not torch.equal(v, before[n])}
    return network, changed


def test_own_attention_adapts_with_all_of_the_network():
    network, changed = tuned()
    assert any(name.startswith("stem") for name in changed)
    assert any("running_mean" in name for name in changed)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_new_attention_learns_on_a_network_that_stays():
    network, changed = tuned("se", epochs=2)
    assert changed
    assert all(".attentions." in f".{name}" or ".attention." in name for name in changed)
    assert all(p.requires_grad for p in network.parameters())


def test_only_the_layers_of_what_stays_are_in_evaluation_mode():
    modes = []

    def function(network, batch):
        modes.append((network.training, network.blocks[0].inner.body[1].training))
        return loss(network, batch)

    tuned("se", function=function)
    assert set(modes) == {(True, False)}


def test_a_users_optimizer_and_clipping_are_used():
    still, changed = tuned(make_optimizer=lambda weights: torch.optim.SGD(weights, lr=0.0))
    assert not {name for name, _ in still.named_parameters()} & changed
    gentle, _ = tuned(make_optimizer=lambda w: torch.optim.SGD(w, lr=1.0), clip_grad=1e-4)
    assert 0 < (weights(gentle) - weights(still)).norm() < 4e-4


def test_training_goes_on_where_it_stopped(tmp_path):
    whole, _ = tuned(epochs=2)
    file = tmp_path / "state.checkpoint"
    tuned(epochs=1, checkpoint=file)
    assert file.is_file()
    halves, _ = tuned(epochs=2, checkpoint=file)
    assert torch.equal(weights(halves), weights(whole))


def test_the_users_random_numbers_are_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    tuned()
    assert torch.equal(torch.rand(3), expected)


def test_frozen_norms_of_the_user_keep_their_statistics():
    live = register_live(GatedNet(2), Example.of(torch.zeros(1, 1, 8, 8)))
    for module in live.module.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.requires_grad_(False)
    space = live_space(live, "own")
    network = build(space)
    before = network.blocks[0].body[1].running_mean.clone()
    FineTuner(space, FineTuning(), BATCHES, loss).fit(network)
    assert torch.equal(network.blocks[0].body[1].running_mean, before)


def test_mixed_precision_trains():
    _, changed = tuned(amp=True)
    assert changed


def test_several_losses_are_added():
    one = torch.ones((), requires_grad=True)
    assert scalar_loss([one, torch.ones(1)]).item() == 2
    assert scalar_loss({"a": one, "b": 2 * one}).item() == 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.0, "the loss is no tensor: loss(model, batch) gave float"),
        (torch.ones(2), "the loss is no scalar: loss(model, batch) gave a tensor of (2,)"),
        ({}, "an empty collection of losses"),
    ],
)
def test_what_is_no_loss_is_one_line(value, message):
    with pytest.raises(UserError) as caught:
        scalar_loss(value)
    assert message in str(caught.value)


def fails(network, batch):
    raise KeyError("boxes")


def test_the_first_batch_is_tried(tmp_path):
    network = build(live_space(LIVE, "own"))
    check_loss(network, BATCHES, loss)
    for loader, function, message in (
        ([], loss, "the loader gives no batch"),
        (BATCHES, fails, r"loss\(model, batch\) failed: KeyError: 'boxes' \(test_fine_tune.py"),
        (BATCHES, lambda *_: torch.tensor(math.nan), "the loss of the first batch is nan"),
    ):
        with pytest.raises(UserError, match=message):
            check_loss(network, loader, function)


def test_what_cannot_go_on_is_one_line():
    with pytest.raises(DivergedError, match="fine-tuning: the loss became inf in epoch 1"):
        tuned(function=lambda n, b: n(b)["y"].sum() * math.inf)
    with pytest.raises(UserError, match="nothing in the network learns: tune='all'"):
        tuned("simam")
    with pytest.raises(UserError, match="the loader gives no batch"):
        tuned(loader=[])
    with pytest.raises(ValueError, match="unknown sampler"):
        FineTuning(sampler="uniform")
