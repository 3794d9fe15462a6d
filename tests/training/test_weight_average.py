"""The average of weights: each tensor once per update, however many names it has."""

import copy

import numpy as np
import pytest
import torch
from timm.optim import create_optimizer_v2
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from ean_search.core.space import load_space
from ean_search.costs.flops import count_params
from ean_search.networks.builder import build, prune
from ean_search.training.optimization import make_optimizer
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import TrainingContext, fit
from ean_search.training.weight_average import WeightAverage
from ean_search.utils.files import load_weights, save_weights
from tests.helpers import blobs


class Shared(nn.Module):
    """Uses one small part in four places, under four names, and one more directly."""

    num_classes = 3

    def __init__(self, places=4):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        part = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))
        self.places = nn.ModuleList([part] * places)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.stem(x)
        for place in self.places:
            x = x + place(x).relu()
        return self.head(x.mean((2, 3)))


def shared_network(places=4):
    torch.manual_seed(0)
    return Shared(places)


def named(network):
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def disturb(network, seed):
    """Change every tensor once."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            tensor.data.add_(torch.randn(tensor.shape, generator=generator))
        else:
            tensor.add_(1)


def closed_form(snapshots, decays):
    """Average snapshots of one tensor by the decays of the updates."""
    average = snapshots[0].double()
    for snapshot, decay in zip(snapshots[1:], decays, strict=True):
        average = decay * average + (1 - decay) * snapshot.double()
    return average


@pytest.mark.slow
@pytest.mark.parametrize("warmup", [False, True])
@pytest.mark.parametrize("make", [shared_network, lambda: build(load_space("resnet18_shared"))])
def test_every_tensor_follows_the_closed_form(make, warmup):
    network = make()
    average, snapshots, steps = WeightAverage(network, 0.9, warmup=warmup), [named(network)], 6
    for step in range(1, steps + 1):
        disturb(network, step)
        average.update(network, step=step)
        snapshots.append(named(network))
    rising = [1 - step ** (-2 / 3) for step in range(1, steps + 1)]
    decays = [0.0, *(min(0.9, d) if warmup else 0.9 for d in rising[1:])]
    for name, value in average.module.state_dict().items():
        tensors = [snapshot[name] for snapshot in snapshots]
        if value.is_floating_point():
            expected = closed_form(tensors, decays)
            assert torch.allclose(value.double(), expected, atol=1e-5), name
        else:
            assert torch.equal(value, tensors[-1]), name


def test_timms_own_average_would_move_shared_tensors_several_times():
    network = shared_network()
    averages = ModelEmaV3(network, 0.9), WeightAverage(network, 0.9)
    start = network.places[0][0].weight.detach().clone()
    disturb(network, 1)
    moved = []
    for average in averages:
        average.update(network)
        weights = average.module.places[0][0].weight, network.places[0][0].weight
        part, whole = (weight.detach() - start for weight in weights)
        moved.append(float((part / whole).mean()))
    assert moved == pytest.approx([1 - 0.9**4, 0.1], rel=1e-3)


@pytest.mark.parametrize("warmup", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_shared_modules_it_is_timms_average_to_the_bit(warmup, dtype):
    network = shared_network(places=1).to(dtype)
    own, timms = WeightAverage(network, 0.9, warmup=warmup), ModelEmaV3(
        network, 0.9, use_warmup=warmup
    )  # fmt: skip
    for step in range(1, 8):
        disturb(network.float(), step)
        network.to(dtype)
        own.update(network, step=step)
        timms.update(network, step=step)
    values = own.state_dict()
    assert all(torch.equal(value, values[name]) for name, value in timms.state_dict().items())


def test_the_average_of_timm_is_loaded(tmp_path):
    network = shared_network()
    old, new = ModelEmaV3(network, 0.9), WeightAverage(network, 0.9)
    disturb(network, 1)
    old.update(network)
    torch.save(old.state_dict(), tmp_path / "ema.pt")
    new.load_state_dict(torch.load(tmp_path / "ema.pt", weights_only=True))
    values = new.state_dict()
    assert all(torch.equal(value, values[name]) for name, value in old.state_dict().items())
    parts = list(new.module.places)
    assert all(part is parts[0] for part in parts)


def test_training_ends_with_the_closed_form_of_its_own_steps():
    recipe = Recipe(epochs=2, batch_size=16, warmup_epochs=0, ema=0.8, ema_warmup=False)
    network, snapshots = shared_network(), []
    initial = named(network)

    def record(net, batch):
        snapshots.append(named(net))  # after the update before
        yield batch.loss(net(batch.images))

    last = copy.deepcopy(network)
    fit(last, blobs(48, 0), recipe.model_copy(update={"ema": None}))
    fit(network, blobs(48, 0), recipe, TrainingContext(step=record))
    assert all(torch.equal(snapshots[0][name], initial[name]) for name in initial)
    weights = [name for name, _ in network.named_parameters(remove_duplicate=False)]
    decays = [0.0] + [0.8] * 5
    for name in weights:
        tensors = [*(s[name] for s in snapshots), last.state_dict()[name]]
        expected = closed_form(tensors, decays)
        assert torch.allclose(network.state_dict()[name].double(), expected, atol=1e-5), name


@pytest.mark.parametrize("optimizer", ["momentum", "adamw", "lamb"])
@pytest.mark.parametrize("decay_norms", [False, True])
def test_a_shared_tensor_is_in_one_group_of_the_optimizer(optimizer, decay_norms):
    network = build(load_space("resnet18_shared"))
    made = make_optimizer(network, Recipe(optimizer=optimizer, decay_norms=decay_norms))
    tensors = [id(tensor) for group in made.param_groups for tensor in group["params"]]
    names = [name for name, _ in network.named_parameters(remove_duplicate=False)]
    assert len(tensors) == len(set(tensors)) == len(list(network.parameters())) < len(names)


def test_weight_decay_shrinks_a_shared_tensor_once():
    network = shared_network()
    start = network.places[0][0].weight.detach().clone()
    optimizer = create_optimizer_v2(network, opt="momentum", lr=0.1, weight_decay=0.5, momentum=0.0)
    for tensor in network.parameters():
        tensor.grad = torch.zeros_like(tensor)
    optimizer.step()
    assert torch.allclose(network.places[0][0].weight, start * (1 - 0.1 * 0.5))


def test_clipping_counts_a_shared_tensor_once():
    network = shared_network()
    for tensor in network.parameters():
        tensor.grad = torch.ones_like(tensor)
    norm = nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    assert float(norm) == pytest.approx(np.sqrt(count_params(network)))
    assert float(network.places[0][0].weight.grad[0, 0]) == pytest.approx(1 / float(norm), rel=1e-4)


def test_parameters_are_counted_and_stored_once(tmp_path):
    network, other = shared_network(), shared_network()
    single = sum(p.numel() for p in shared_network(places=1).parameters())
    assert count_params(network) == single
    disturb(network, 3)
    save_weights(network, tmp_path / "net.safetensors")
    load_weights(other, tmp_path / "net.safetensors")
    values = other.state_dict()
    assert all(torch.equal(value, values[name]) for name, value in network.state_dict().items())
    size = (tmp_path / "net.safetensors").stat().st_size
    assert size < 4 * single + 4000


def test_a_pruned_network_keeps_its_shared_modules_shared():
    space = load_space("resnet18_shared")
    network = prune(build(space), space.named["all"])
    names = [name for name, _ in network.named_parameters(remove_duplicate=False)]
    assert len(list(network.parameters())) < len(names)
    average = WeightAverage(network, 0.9)
    assert count_params(average.module) == count_params(network)
