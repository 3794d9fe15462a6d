import pytest
import torch
from torch import nn

from ean_search.training.process_group import SingleProcess
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.errors import UserError
from tests.helpers import blobs

RECIPE = Recipe(epochs=4, batch_size=16, lr=0.01, warmup_epochs=1)


def network(seed=0):
    torch.manual_seed(seed)
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def test_training_lowers_the_loss():
    history = fit(network(), blobs(96, 0), RECIPE)
    assert [entry["epoch"] for entry in history] == [1, 2, 3, 4]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_the_weights_depend_on_the_seed_and_not_on_earlier_draws():
    nets = network(), network(), network()
    for net, seed in zip(nets, (1, 1, 2), strict=True):
        fit(net, blobs(96, 0), RECIPE, TrainingContext(seed=seed))
        torch.rand(3)
    first, same_seed, other_seed = (net[0].weight for net in nets)
    assert torch.equal(first, same_seed)
    assert not torch.equal(first, other_seed)


@pytest.mark.parametrize("optimizer", ["adamw", "momentum"])
@pytest.mark.parametrize("stop", [1, 3])
def test_stopped_training_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, optimizer, stop):
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
def test_rates_drop_at_the_start_of_the_epoch(schedule, milestones, rates):
    recipe = RECIPE.model_copy(
        update={"schedule": schedule, "milestones": milestones, "warmup_epochs": 0}
    )
    history = fit(network(), blobs(96, 0), recipe)
    assert [entry["lr"] for entry in history] == pytest.approx(rates)


def test_a_cosine_schedule_warms_up_and_falls():
    rates = [entry["lr"] for entry in fit(network(), blobs(96, 0), RECIPE)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[1] > rates[2] > rates[3]


def test_a_loss_that_is_not_a_number_is_an_error_that_names_epoch_and_checkpoint(tmp_path):
    def explode(net, batch):
        seen.append(1)
        yield batch.loss(net(batch.images)) * (float("nan") if len(seen) > 8 else 1)

    seen, checkpoint = [], tmp_path / "state.pt"
    with pytest.raises(
        UserError, match=r"became nan in epoch 2; .*state.pt holds the state after epoch 1"
    ):
        fit(network(), blobs(96, 0), RECIPE, TrainingContext(step=explode, checkpoint=checkpoint))
    assert len(torch.load(checkpoint, weights_only=True)["history"]) == 1


def test_norms_have_weight_decay_only_if_the_recipe_says_so():
    weights = []
    for decay_norms in (False, True):
        net = network()
        recipe = Recipe(epochs=1, batch_size=16, lr=0.1, weight_decay=0.9, warmup_epochs=0,
                        optimizer="momentum", momentum=0.0, decay_norms=decay_norms)  # fmt: skip

        def no_gradient(net, batch):
            yield 0 * batch.loss(net(batch.images))

        fit(net, blobs(32, 0), recipe, TrainingContext(step=no_gradient))
        weights.append(net[1].weight[0].item())
    assert weights[0] == 1.0
    assert weights[1] < 0.9


def test_training_with_clipping_and_channels_last_lowers_the_loss():
    recipe = RECIPE.model_copy(update={"clip_grad": 1.0, "channels_last": True})
    history = fit(network(), blobs(96, 0), recipe)
    assert history[-1]["loss"] < history[0]["loss"]


ALL_OPTIONS = {"mixup": 0.8, "cutmix": 1.0, "ema": 0.9, "label_smoothing": 0.1, "accumulate": 3,
              "augment": {"erase": 0.5}}  # fmt: skip


class NetworkWithClasses(nn.Sequential):
    num_classes = 3


def network_with_classes(seed=0):
    return NetworkWithClasses(*network(seed))


def test_mixing_erasing_and_averaging_continue_after_a_stop(tmp_path):
    recipe = Recipe.model_validate(RECIPE.model_dump() | ALL_OPTIONS)
    whole, fresh = network_with_classes(), network_with_classes(seed=5)
    history = fit(whole, blobs(96, 0), recipe)

    def progress(task, done, total, detail=""):
        if "epoch 3/" in detail:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "state.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(
            network_with_classes(),
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


def test_training_with_the_binary_loss_lowers_the_loss():
    recipe = RECIPE.model_copy(update={"loss": "binary"})
    history = fit(network(), blobs(96, 0), recipe)
    assert history[-1]["loss"] < history[0]["loss"]


def test_mixing_needs_the_number_of_classes_and_pairs():
    with pytest.raises(UserError, match="num_classes"):
        fit(network(), blobs(96, 0), RECIPE.model_copy(update={"mixup": 0.2}))
    with pytest.raises(UserError, match="even number of images, got 9"):
        fit(network_with_classes(), blobs(9, 0), RECIPE.model_copy(update={"mixup": 0.2}))


def test_training_stops_after_the_epoch_and_goes_on_later(tmp_path):
    whole, parts = network(), network()
    expected = fit(whole, blobs(96, 0), RECIPE)
    for last in (1, 3, 9):
        context = TrainingContext(checkpoint=tmp_path / "state.pt", stop_after_epoch=last)
        history = fit(parts, blobs(96, 0), RECIPE, context)
        assert history == expected[:last]
    state = parts.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in whole.state_dict().items())


def test_progress_reports_have_the_updates_and_the_figures():
    reports = []

    def progress(task, done, total, detail=""):
        reports.append((task, done, total, getattr(detail, "figures", None)))

    context = TrainingContext(task="a network", progress=progress)
    history = fit(network(), blobs(96, 0), RECIPE, context)
    assert reports[0] == ("a network", 0, 24, None)
    assert [done for _, done, _, _ in reports[1:]] == [6, 12, 18, 24]
    assert [figures["loss"] for *_, figures in reports[1:]] == [e["loss"] for e in history]


def test_only_the_leading_process_writes_the_checkpoint(tmp_path):
    class Follower(SingleProcess):
        leads = False

    context = TrainingContext(checkpoint=tmp_path / "state.pt", group=Follower())
    fit(network(), blobs(32, 0), RECIPE, context)
    assert not (tmp_path / "state.pt").exists()
