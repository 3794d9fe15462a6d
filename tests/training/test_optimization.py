import pytest
import torch
from torch import nn

from ean_search.training.optimization import (
    amp_dtype,
    make_criterion,
    make_mixup,
    make_optimizer,
    make_scheduler,
    warn_of_few_updates,
)
from ean_search.training.recipe import Recipe
from ean_search.utils.errors import UserError

STEPS = 10  # of an epoch


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(3))


def rates_of(recipe):
    """Return the learning rate of every update."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    scheduler = make_scheduler(optimizer, recipe, STEPS)
    rates = []
    for update in range(recipe.epochs * STEPS):
        scheduler.step_update(update)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("decay_norms", [False, True])
def test_biases_and_norms_are_decayed_only_if_the_recipe_says_so(network, decay_norms):
    network(torch.zeros(1, 3, 8, 8))
    recipe = Recipe(weight_decay=0.3, decay_norms=decay_norms)
    groups = make_optimizer(network, recipe).param_groups
    decays = {p: group["weight_decay"] for group in groups for p in group["params"]}
    assert decays[network[0].weight] == decays[network[3].weight] == 0.3
    expected = 0.3 if decay_norms else 0.0
    assert decays[network[0].bias] == decays[network[1].weight] == expected
    assert len(decays) == 6


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "momentum", "lamb"])
def test_modules_may_get_their_first_gradient_late(network, name):
    # As in a weight-sharing network, whose placements do not use every module.
    network(torch.zeros(1, 3, 8, 8))
    optimizer = make_optimizer(network, Recipe(optimizer=name, lr=0.1))
    before = network[3].weight.detach().clone()
    network[0](torch.ones(1, 3, 8, 8)).sum().backward()
    optimizer.step()
    assert torch.equal(network[3].weight, before)
    optimizer.zero_grad()
    network(torch.ones(1, 3, 8, 8))[:, 0].sum().backward()
    optimizer.step()
    assert not torch.equal(network[3].weight, before)


def test_rates_drop_with_the_first_update_of_a_milestone():
    recipe = Recipe(epochs=4, lr=0.1, schedule="step", milestones=(1, 3), warmup_epochs=0)
    rates = rates_of(recipe)
    assert rates == pytest.approx([0.1] * 10 + [0.01] * 20 + [0.001] * 10)


def test_rates_rise_in_the_warmup_and_end_at_the_lowest_rate():
    rates = rates_of(Recipe(epochs=10, lr=0.1, min_lr=0.004, warmup_epochs=1.5))
    assert rates[0] == pytest.approx(0.001)
    assert rates[:15] == sorted(rates[:15])
    assert rates[15:] == sorted(rates[15:], reverse=True)
    assert rates[15] == pytest.approx(0.1, rel=0.07)
    assert rates[-1] == pytest.approx(0.004, rel=0.1)


def test_a_recipe_without_mixing_needs_no_number_of_classes(network):
    assert make_mixup(network, Recipe()) is None
    with pytest.raises(UserError, match="num_classes"):
        make_mixup(network, Recipe(mixup=0.2))


@pytest.mark.parametrize("fields", [{"mixup": 0.5}, {"cutmix": 1.0}])
def test_mixed_labels_are_smoothed_probabilities(network, fields):
    network.num_classes = 3
    mixup = make_mixup(network, Recipe(label_smoothing=0.3, **fields))
    images, labels = mixup(torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 0]))
    assert images.shape == (4, 3, 8, 8)
    torch.testing.assert_close(labels.sum(1), torch.ones(4))
    assert labels.min() >= 0.3 / 3 - 1e-6


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_losses_of_labels_and_of_probabilities_agree(smoothing):
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    soft = torch.eye(3)[labels] * (1 - smoothing) + smoothing / 3
    plain = make_criterion(Recipe(label_smoothing=smoothing))
    mixed = make_criterion(Recipe(label_smoothing=smoothing, mixup=0.5))
    torch.testing.assert_close(plain(logits, labels), mixed(logits, soft))


def test_the_binary_loss_is_a_sigmoid_for_each_class():
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    expected = nn.functional.binary_cross_entropy_with_logits(logits, torch.eye(3)[labels])
    torch.testing.assert_close(make_criterion(Recipe(loss="binary"))(logits, labels), expected)


def test_the_type_of_mixed_precision_can_be_named(monkeypatch):
    assert amp_dtype("bfloat16") is torch.bfloat16
    assert amp_dtype("float16") is torch.float16
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for has_bfloat16, expected in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bfloat16)  # noqa: B023
        assert amp_dtype("auto") is expected


def test_few_updates_in_an_epoch_are_one_line(caplog):
    warn_of_few_updates.cache_clear()
    for _ in range(3):
        warn_of_few_updates(108, 64, 1)
        warn_of_few_updates(640, 64, 10)
    expected = (
        "108 training images in batches of 64: only 1 update in an epoch; a smaller batch size"
    )
    assert [message.startswith(expected) for message in caplog.messages] == [True]
