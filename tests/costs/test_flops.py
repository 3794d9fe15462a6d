"""Counts of single modules, and of plain networks against the published ones."""

import pytest
import timm
import torch
from torch import nn

from ean_search.costs.flops import (
    count_activations,
    count_example,
    count_flops,
    count_params,
    uncounted_operators,
)
from ean_search.networks.builder import build, place
from ean_search.networks.example import Example
from tests.networks.modules import GatedNet

IMAGE = torch.zeros(1, 3, 8, 8)


def test_a_convolution_multiplies_its_weights_with_every_pixel():
    module = nn.Conv2d(3, 5, 3, padding=1)
    assert count_flops(module, IMAGE) == (3 * 5 * 9 * 64, 3 * 5 * 9 * 64)


def test_norms_and_pooling_are_flops_but_no_multiply_adds():
    module = nn.Sequential(nn.BatchNorm2d(3), nn.Sigmoid(), nn.AdaptiveAvgPool2d(1))
    macs, flops = count_flops(module, IMAGE)
    assert macs == 0
    assert flops == 2 * 3 * 64 + 3 * 64


@pytest.mark.parametrize("fused", [True, False])
def test_fused_self_attention_is_counted_and_stays_fused(fused):
    model = timm.create_model("deit_tiny_patch16_224", img_size=32, depth=1)
    attention = model.blocks[0].attn
    attention.fused_attn = fused
    tokens, channels = 5, 192
    macs, _ = count_flops(attention, torch.zeros(1, tokens, channels))
    assert macs == 4 * tokens * channels**2 + 2 * tokens**2 * channels
    assert attention.fused_attn == fused


def test_shared_parameters_are_counted_once():
    layer = nn.Linear(4, 3)
    assert count_params(nn.Sequential(layer, nn.ReLU(), layer)) == 4 * 3 + 3


def test_activations_are_the_outputs_of_layers():
    network = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Sequential(nn.ReLU(), nn.Flatten()))
    assert count_activations(network, Example.of(IMAGE)) == 3 * 5 * 64
    assert count_activations(network, Example.of(IMAGE.expand(2, -1, -1, -1))) == 2 * 3 * 5 * 64


def test_empty_slots_are_no_layers(tiny):
    network = place(build(tiny, classes=10), tiny.named["none"]).eval()
    plain = timm.create_model(tiny.backbone, num_classes=10, **tiny.backbone_args).eval()
    example = Example.of(torch.zeros(1, 3, 32, 32))
    assert count_activations(network, example) == count_activations(plain, example)


def test_counts_leave_no_hooks_behind():
    network = nn.Sequential(nn.Conv2d(3, 5, 1))
    count_activations(network, Example.of(IMAGE))
    assert not network[0]._forward_hooks


@pytest.mark.slow
def test_published_counts_of_resnet50():
    model = timm.create_model("resnet50")
    assert count_params(model) == 25_557_032
    macs, flops = count_flops(model, torch.zeros(1, 3, 224, 224))
    assert (macs, flops) == (4_089_184_256, 4_111_512_576)


def test_torchs_own_self_attention_is_counted_in_whatever_way_it_computes():
    tokens, width = 9, 8
    attention = nn.MultiheadAttention(width, 2, batch_first=True).requires_grad_(False)
    x = torch.zeros(1, tokens, width)
    projections, products = 4 * tokens * width**2, 2 * tokens**2 * width
    for weights in (False, True):
        example = Example((x, x, x), {"need_weights": weights})
        assert count_example(attention, example)[0] == projections + products
    assert torch.backends.mha.get_fastpath_enabled()


def test_networks_that_take_and_give_mappings_are_counted():
    network, image = GatedNet(blocks=1), torch.zeros(1, 1, 8, 8)
    macs, _ = count_example(network, Example.of({"image": image, "scale": 2.0}))
    assert macs == 4 * 4 * 9 * 8 + 4 * 4 * 9 * 64 + 64 + 8 * 2
    assert count_example(network, Example.of(image))[0] == macs
    assert {"sigmoid", "mean"} <= set(uncounted_operators(network, Example.of(image)))
