import pytest
import torch
from torch import nn

from ean_search.training.trainer import Recipe, TrainingContext, fit
from ean_search.utils.errors import UserError
from tests.blobs import blobs

RECIPE = Recipe(epochs=4, batch_size=16, lr=0.01, warmup_epochs=1)


def network(seed=0):
    torch.manual_seed(seed)
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def test_training_lowers_the_loss():
    history = fit(network(), blobs(96, 0), RECIPE)
    assert [entry["epoch"] for entry in history] == [1, 2, 3, 4]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before():
    nets = network(), network(), network()
    for net, seed in zip(nets, (1, 1, 2), strict=True):
        fit(net, blobs(96, 0), RECIPE, TrainingContext(seed=seed))
        torch.rand(3)
    same, twin, other = (net[0].weight for net in nets)
    assert torch.equal(same, twin)
    assert not torch.equal(same, other)


@pytest.mark.parametrize("optimizer", ["adamw", "momentum"])
@pytest.mark.parametrize("stop", [1, 3])
def test_stopped_training_goes_on_as_if_nothing_had_happened(tmp_path, optimizer, stop):
    recipe = RECIPE.model_copy(update={"optimizer": optimizer})
    whole, parts = network(), network()
    history = fit(whole, blobs(96, 0), recipe)

    def progress(task, done, total, detail=""):
        if f"epoch {stop + 1}/" in detail:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "state.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(parts, blobs(96, 0), recipe, TrainingContext(checkpoint=checkpoint, progress=progress))
    fresh = network(seed=5)
    assert fit(fresh, blobs(96, 0), recipe, TrainingContext(checkpoint=checkpoint)) == history
    state = fresh.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in whole.state_dict().items())


@pytest.mark.parametrize(
    ("schedule", "milestones", "rates"),
    [
        ("step", (), [0.01, 0.01, 0.01, 0.01]),
        ("step", (2, 3), [0.01, 0.01, 0.001, 0.0001]),
    ],
)
def test_rates_drop_at_the_start_of_their_epoch(schedule, milestones, rates):
    recipe = RECIPE.model_copy(
        update={"schedule": schedule, "milestones": milestones, "warmup_epochs": 0}
    )
    history = fit(network(), blobs(96, 0), recipe)
    assert [entry["lr"] for entry in history] == pytest.approx(rates)


def test_a_cosine_warms_up_and_anneals():
    rates = [entry["lr"] for entry in fit(network(), blobs(96, 0), RECIPE)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[1] > rates[2] > rates[3]


def test_a_loss_that_is_not_a_number_stops_with_the_epoch_and_the_last_good_state(tmp_path):
    def explode(net, images, labels, criterion, rng):
        seen.append(1)
        yield criterion(net(images), labels) * (float("nan") if len(seen) > 8 else 1)

    seen, checkpoint = [], tmp_path / "state.pt"
    with pytest.raises(
        UserError, match=r"became nan in epoch 2; .*state.pt holds the state after epoch 1"
    ):
        fit(network(), blobs(96, 0), RECIPE, TrainingContext(step=explode, checkpoint=checkpoint))
    assert len(torch.load(checkpoint, weights_only=True)["history"]) == 1


def test_norms_are_spared_weight_decay_unless_a_recipe_says_so():
    weights = []
    for decay_norms in (False, True):
        net = network()
        recipe = Recipe(epochs=1, batch_size=16, lr=0.1, weight_decay=0.9, warmup_epochs=0,
                        optimizer="momentum", momentum=0.0, decay_norms=decay_norms)  # fmt: skip

        def no_gradient(net, images, labels, criterion, rng):
            yield 0 * criterion(net(images), labels)

        fit(net, blobs(32, 0), recipe, TrainingContext(step=no_gradient))
        weights.append(net[1].weight[0].item())
    assert weights[0] == 1.0
    assert weights[1] < 0.9


def test_clipping_and_channels_last_still_learn():
    recipe = RECIPE.model_copy(update={"clip_grad": 1.0, "channels_last": True})
    history = fit(network(), blobs(96, 0), recipe)
    assert history[-1]["loss"] < history[0]["loss"]


EVERYTHING = {"mixup": 0.8, "cutmix": 1.0, "ema": 0.9, "label_smoothing": 0.1, "accumulate": 3,
              "augment": {"erase": 0.5}}  # fmt: skip


class Countable(nn.Sequential):
    num_classes = 3


def full_network(seed=0):
    return Countable(*network(seed))


def test_mixing_erasing_and_averaging_go_on_where_they_were_stopped(tmp_path):
    recipe = Recipe.model_validate(RECIPE.model_dump() | EVERYTHING)
    whole, fresh = full_network(), full_network(seed=5)
    history = fit(whole, blobs(96, 0), recipe)

    def progress(task, done, total, detail=""):
        if "epoch 3/" in detail:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "state.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(
            full_network(),
            blobs(96, 0),
            recipe,
            TrainingContext(checkpoint=checkpoint, progress=progress),
        )
    for _ in range(2):  # the second time there is nothing left to train
        assert fit(fresh, blobs(96, 0), recipe, TrainingContext(checkpoint=checkpoint)) == history
        state = fresh.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in whole.state_dict().items())


def test_a_batch_in_pieces_gives_the_gradient_of_the_whole():
    weights = []
    for accumulate in (1, 4):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        recipe = RECIPE.model_copy(update={"accumulate": accumulate, "batch_size": 30})
        history = fit(net, blobs(90, 0), recipe)
        weights.append(net[0].weight.detach())
    assert torch.allclose(*weights, atol=1e-5)
    assert history[-1]["loss"] < history[0]["loss"]


def test_averaged_weights_trail_the_last_ones():
    nets = network(), network()
    for net, ema in zip(nets, (None, 0.99), strict=True):
        recipe = RECIPE.model_copy(update={"ema": ema, "ema_warmup": False})
        fit(net, blobs(96, 0), recipe)
    start = network()[0].weight
    last, averaged = ((net[0].weight - start).norm() for net in nets)
    assert 0 < averaged < last


def test_a_binary_loss_learns_too():
    recipe = RECIPE.model_copy(update={"loss": "binary"})
    history = fit(network(), blobs(96, 0), recipe)
    assert history[-1]["loss"] < history[0]["loss"]


def test_mixing_needs_the_number_of_classes_and_pairs():
    with pytest.raises(UserError, match="num_classes"):
        fit(network(), blobs(96, 0), RECIPE.model_copy(update={"mixup": 0.2}))
    with pytest.raises(UserError, match="even number of images, got 9"):
        fit(full_network(), blobs(9, 0), RECIPE.model_copy(update={"mixup": 0.2}))
