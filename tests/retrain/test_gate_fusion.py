"""Fusion of constant gates into the norms before them."""

import pytest
import torch
from torch import nn

from ean_search.core.space import load_space
from ean_search.data.splits import TensorSplit
from ean_search.networks.builder import build, place
from ean_search.retrain.checkpoint import open_checkpoint
from ean_search.retrain.gate_fusion import fuse_gates, measure_gates, save_fused
from tests.helpers import describe_training, randomise, write_checkpoint


def split(count=24):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, 32, 32, generator=generator)
    images += 2 * torch.randn(count, 3, 1, 1, generator=generator)  # means that differ
    return TensorSplit(images, torch.arange(count) % 10)


def freeze(*stages):
    """Return a change that makes SE's gates of some stages constant, channel by channel."""

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

    source = write_checkpoint(tmp_path / "net", describe_training(attention, "1-1-0-1"), change)
    fused = fuse_gates(source, split(), threshold=1e-4)
    assert str(fused.placement) == "0-0-0-0"
    assert fused.drop == 0
    assert [gate.fused for gate in fused.sites] == [True] * 3
    image = torch.randn(3, 3, 32, 32)
    assert torch.allclose(fused.network(image), source.network()(image), atol=1e-4)
    assert not any(".se" in name for name, _ in fused.network.named_modules())


def test_gates_that_vary_stay(tmp_path):
    def change(network):
        freeze(2)(network)
        for stage in (1, 4):
            network.get_submodule(f"layer{stage}.0.se").fc2.weight.data *= 20

    source = write_checkpoint(tmp_path / "net", describe_training("se", "1-1-0-1"), change)
    fused = fuse_gates(source, split(), threshold=1e-3)
    assert str(fused.placement) == "1-0-0-1"
    deviations = [gate.deviation for gate in fused.sites]
    assert deviations[1] < 1e-3 < min(deviations[0], deviations[2])
    assert [gate.fused for gate in fused.sites] == [False, True, False]


def test_the_worst_sites_stay_where_accuracy_would_fall(tmp_path):
    source = write_checkpoint(tmp_path / "net", describe_training("se", "1-1-0-1"), freeze(1))
    free = fuse_gates(source, split(), threshold=10.0, tolerance=1.0)
    assert str(free.placement) == "0-0-0-0"
    strict = fuse_gates(source, split(), threshold=10.0, tolerance=-1.0)  # no accuracy is enough
    assert str(strict.placement) == "1-1-0-1"
    assert strict.drop == 0


def test_a_fused_network_is_a_checkpoint(tmp_path):
    source = write_checkpoint(tmp_path / "net", describe_training("se", "1-1-0-1"), freeze(1, 4))
    fused = fuse_gates(source, split(), threshold=1e-4)
    pruned = open_checkpoint(save_fused(source, fused, 1e-4).path)
    image = torch.randn(3, 3, 32, 32)
    assert torch.equal(pruned.network()(image), fused.network(image))
    assert pruned.path == source.path / "folded"
    assert pruned.description.folded_from == "1-1-0-1"
    assert pruned.read_metrics()["threshold"] == 1e-4


def test_a_site_inside_a_block_is_fused_into_the_norm_and_relu_before_it():
    space = load_space("regnet_shared")
    network = place(randomise(build(space)), space.named["every-other"])
    gates = measure_gates(network.eval(), split(4), 4, "cpu")
    assert all(gate.norm.endswith("conv2.bn") for gate in gates)


def test_modules_of_the_backbone_itself_are_not_removed():
    space = load_space("efficientnet_b0_shared", attention="eca", own_attention="keep")
    network = place(build(space), space.named["all"])
    assert all(gate.norm is None for gate in measure_gates(network.eval(), split(4), 4, "cpu"))


def test_constant_gates_are_fused_whatever_the_accuracy(tmp_path):
    def change(network):
        network.get_submodule("layer1.0.se").psi.data.normal_(0, 2)

    description = describe_training("asr", "1-1-0-1")
    source = write_checkpoint(tmp_path / "net", description, change)
    fused = fuse_gates(source, split(), threshold=0.0, tolerance=-1.0)
    assert str(fused.placement) == "0-0-0-0"
    assert [gate.deviation for gate in fused.sites] == [0.0] * 3
    image = torch.randn(3, 3, 32, 32)
    assert (fused.network(image) - source.network()(image)).abs().max() <= 1e-6
