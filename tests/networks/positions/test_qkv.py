"""After a joint projection to queries, keys and values."""

import timm
import torch
from torch import nn

from ean_search.networks.example import Example
from ean_search.networks.positions.qkv import module_paths, original, put

IMAGE = Example.of(torch.empty(1, 3, 224, 224))


def test_only_self_attentions_with_a_joint_projection_are_found():
    deit = timm.create_model("deit_tiny_patch16_224")
    assert module_paths(deit, IMAGE) == [f"blocks.{i}.attn.qkv" for i in range(12)]
    assert module_paths(timm.create_model("resnet18"), IMAGE) == []


def test_the_module_gets_the_output_of_the_projection():
    deit = timm.create_model("deit_tiny_patch16_224").eval()
    path = "blocks.0.attn.qkv"
    x = torch.randn(1, 5, 192)
    with torch.no_grad():
        expected = deit.get_submodule(path)(x)
        assert original(deit, path) is None
        put(deit, path, nn.Hardtanh())
        assert torch.equal(deit.get_submodule(path)(x), expected.clamp(-1, 1))
