"""Feature pyramids on searched networks."""

import pytest
import torch
from torch import nn

from ean_search.core.space import load_space
from ean_search.networks.builder import build, prune
from ean_search.retrain.transfer.fpn import PyramidBackbone
from ean_search.utils.errors import UserError


def test_pyramids_have_maps_at_strides_from_4_to_32():
    space = load_space("resnet18_shared")
    pyramid = PyramidBackbone(prune(build(space), space.named["none"])).eval()
    maps = pyramid(torch.zeros(1, 3, 64, 64))
    assert [m.shape[-1] for m in maps.values()] == [16, 8, 4, 2]
    assert list(maps) == pyramid.names


def test_all_maps_have_the_same_number_of_channels(tiny_network, images):
    pyramid = PyramidBackbone(tiny_network, channels=24).eval()
    assert pyramid.out_channels == 24
    assert {m.shape[1] for m in pyramid(images).values()} == {24}


def test_a_network_that_cannot_tell_its_maps_is_refused():
    with pytest.raises(UserError, match="has no feature_info"):
        PyramidBackbone(nn.Sequential(nn.Conv2d(3, 8, 3)))
