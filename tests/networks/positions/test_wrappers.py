"""Wrappers: attention beside a module of the backbone, and taken away again."""

import pytest
import timm
import torch
from torch import nn

from ean_search.networks.builder import build, prune
from ean_search.networks.positions.wrappers import (
    AttentionAfter,
    AttentionAfterBlock,
    AttentionBefore,
    RecordedProjection,
    WithChainEnds,
    owner_and_name,
    projection_name,
    replace_module,
    unwrap_modules,
)
from ean_search.networks.sites import make_backbone
from tests.helpers import load_small


class Double(nn.Module):
    def forward(self, x, *_):
        return 2 * x


class Increase(nn.Module):
    size = 1

    def forward(self, x):
        return x + self.size


class Difference(nn.Module):
    def forward(self, y, shortcut):
        return y - shortcut


def test_pruning_takes_wrappers_away():
    space = load_small("resnet50_mrla_base")
    network = build(space)
    pruned = prune(network, space.parse("000-0010-000000-021"))
    assert sum(isinstance(m, AttentionAfterBlock) for m in pruned.modules()) == 3
    plain = prune(network, space.named["none"])
    assert {*plain.state_dict()} == {*make_backbone(space, 10).state_dict()}
    broad = load_small("deit_small_broad")
    plain = prune(build(broad), broad.named["none"])
    assert not any(isinstance(m, WithChainEnds) for m in plain.modules())


def test_attention_goes_before_or_after_the_module():
    x = torch.ones(1)
    assert AttentionBefore(Increase(), Double())(x) == 3
    assert AttentionAfter(Increase(), Double())(x) == 4
    assert AttentionAfterBlock(Increase(), Difference())(x) == 1


def test_the_projection_of_a_shortcut_is_seen_and_given_back():
    block = timm.create_model("resnet18").layer2[0].eval()
    projection = block.downsample
    wrapper = AttentionAfterBlock(block, Difference())
    x = torch.randn(1, 64, 8, 8)
    with torch.no_grad():
        expected = block(x) - projection(x)
        assert torch.equal(wrapper(x), expected)
    network = nn.Sequential(wrapper)
    assert isinstance(block.downsample, RecordedProjection)
    wrapper.attention = None
    unwrap_modules(network)
    assert network[0] is block
    assert block.downsample is projection


def test_attributes_of_the_module_can_be_read():
    wrapper = AttentionAfter(Increase(), Double())
    assert wrapper.size == 1
    with pytest.raises(AttributeError, match="'Increase' object has no attribute 'width'"):
        wrapper.width  # noqa: B018  (reading it is the test)


def test_only_wrappers_without_attention_are_taken_away():
    network = nn.Sequential(
        AttentionAfter(Increase(), Double()), AttentionAfter(Double(), Double())
    )
    network[1].attention = None
    unwrap_modules(network)
    assert [type(module) for module in network] == [AttentionAfter, Double]


def test_modules_are_found_and_replaced_by_their_path():
    network = nn.Sequential(nn.Sequential(nn.Identity()), nn.Identity())
    assert owner_and_name(network, "0.0") == (network[0], "0")
    assert owner_and_name(network, "1") == (network, "1")
    replace_module(network, "0.0", Double())
    assert network(torch.ones(1)) == 2


def test_an_identity_projects_nothing():
    block = nn.Module()
    assert projection_name(block) is None
    block.shortcut = nn.Identity()
    assert projection_name(block) is None
    block.shortcut = nn.Conv2d(1, 1, 1)
    assert projection_name(block) == "shortcut"
