"""On the residual branch: attributes `.se`, or drop-paths where there are none."""

import timm
import torch

from ean_search.networks.builder import build, prune
from ean_search.networks.example import Example
from ean_search.networks.positions.residual import module_paths, original
from ean_search.networks.positions.wrappers import AttentionBefore
from ean_search.networks.sites import probe
from tests.helpers import space_of

IMAGE = Example.of(torch.empty(1, 3, 64, 64))


def test_a_drop_path_comes_after_the_attention():
    args = {"drop_path_rate": 0.1}
    space = probe(space_of("convnext_atto", backbone_args=args, image_size=64))
    everything = prune(build(space), space.named["all"])
    last = everything.stages[3].blocks[-1].drop_path
    assert isinstance(last, AttentionBefore)
    assert last.inner.drop_prob > 0


def test_attributes_called_se_come_first():
    paths = module_paths(timm.create_model("mobilenetv3_small_050"), IMAGE)
    assert paths
    assert all(path.endswith(".se") for path in paths)
    paths = module_paths(timm.create_model("convnext_atto"), IMAGE)
    assert all(path.endswith(".drop_path") for path in paths)


def test_only_an_attribute_called_se_is_replaced():
    regnet = timm.create_model("regnety_002")
    assert original(regnet, "s1.b1.se") is regnet.s1.b1.se
    assert original(timm.create_model("resnet18"), "layer1.0.se") is None
    assert original(timm.create_model("convnext_atto"), "stages.0.blocks.0.drop_path") is None
