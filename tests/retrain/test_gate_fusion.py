import json

import pytest
import torch
from torch import nn

from ean_search.core.space import load_space
from ean_search.data.splits import TensorSplit
from ean_search.networks.builder import build, place, prune
from ean_search.retrain.checkpoint import Checkpoint, open_checkpoint
from ean_search.retrain.gate_fusion import fold, save_folded, watch
from ean_search.utils.files import save_json, save_weights
from tests.helpers import randomise
from tests.retrain.test_export import trained


def split(count=24):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, 32, 32, generator=generator)
    images += 2 * torch.randn(count, 3, 1, 1, generator=generator)  # means that differ
    return TensorSplit(images, torch.arange(count) % 10)


def saved(path, about, change=lambda network: None):
    made = Checkpoint(path)
    path.mkdir(parents=True)
    network = randomise(
        prune(build(about.space, about.classes), about.space.parse(about.placement))
    )
    change(network)
    save_weights(network, made.weights_file)
    save_json(json.loads(about.model_dump_json()), made.description_file)
    save_json({"test_accuracy": 0.5}, made.metrics_file)
    return made


def freeze(*stages):
    """Let SE's gates of stages be constants, different ones for each channel."""

    def change(network):
        for stage in stages:
            last = network.get_submodule(f"layer{stage}.0.se").fc2
            nn.init.zeros_(last.weight)
            nn.init.uniform_(last.bias, -2, 2)

    return change


@pytest.mark.parametrize("attention", ["se", "dia"])
def test_constant_gates_go_into_norms_and_logits_stay(tmp_path, attention):
    def change(network):
        if attention == "se":
            return freeze(1, 2, 4)(network)
        for stage in (1, 2, 4):
            for cell in ("input_cell", "hidden_cell"):
                nn.init.zeros_(
                    network.get_submodule(f"layer{stage}.0.se.attention.{cell}.2").weight
                )

    source = saved(tmp_path / "net", trained(attention, "1-1-0-1"), change)
    folded = fold(source, split(), threshold=1e-4)
    assert str(folded.placement) == "0-0-0-0"
    assert folded.drop == 0
    assert [use.folded for use in folded.sites] == [True] * 3
    image = torch.randn(3, 3, 32, 32)
    assert torch.allclose(folded.network(image), source.network()(image), atol=1e-4)
    assert not any(".se" in name for name, _ in folded.network.named_modules())


def test_gates_that_vary_stay(tmp_path):
    def change(network):
        freeze(2)(network)
        for stage in (1, 4):
            network.get_submodule(f"layer{stage}.0.se").fc2.weight.data *= 20

    source = saved(tmp_path / "net", trained("se", "1-1-0-1"), change)
    folded = fold(source, split(), threshold=1e-3)
    assert str(folded.placement) == "1-0-0-1"
    deviations = [use.deviation for use in folded.sites]
    assert deviations[1] < 1e-3 < min(deviations[0], deviations[2])
    assert [use.folded for use in folded.sites] == [False, True, False]


def test_the_worst_sites_stay_where_accuracy_would_fall(tmp_path):
    source = saved(tmp_path / "net", trained("se", "1-1-0-1"), freeze(1))
    free = fold(source, split(), threshold=10.0, tolerance=1.0)
    assert str(free.placement) == "0-0-0-0"
    strict = fold(source, split(), threshold=10.0, tolerance=-1.0)  # no accuracy is enough
    assert str(strict.placement) == "1-1-0-1"
    assert strict.drop == 0


def test_a_folded_network_is_a_checkpoint(tmp_path):
    source = saved(tmp_path / "net", trained("se", "1-1-0-1"), freeze(1, 4))
    folded = fold(source, split(), threshold=1e-4)
    made = open_checkpoint(save_folded(source, folded, 1e-4).path)
    image = torch.randn(3, 3, 32, 32)
    assert torch.equal(made.network()(image), folded.network(image))
    assert made.description.folded_from == "1-1-0-1"
    assert made.read_metrics()["threshold"] == 1e-4


def test_a_site_inside_a_block_is_taken_by_the_norm_and_relu_before_it():
    space = load_space("regnet_shared")
    network = place(randomise(build(space)), space.named["every-other"])
    uses = watch(network.eval(), split(4), 4, "cpu")
    assert all(use.norm.endswith("conv2.bn") for use in uses)


def test_what_the_backbone_has_there_itself_is_not_removed():
    space = load_space("efficientnet_b0_shared", attention="eca")
    space = space.model_copy(update={"backbone_args": {}})
    network = place(build(space), space.named["all"])
    assert all(use.norm is None for use in watch(network.eval(), split(4), 4, "cpu"))
