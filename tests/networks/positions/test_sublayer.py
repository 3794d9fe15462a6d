"""Self-attentions that are sublayers are found by what their blocks do without them."""

import pytest
import timm
import torch

from ean_search.networks.example import Example
from ean_search.networks.positions import sublayer


def find(backbone, size=64, **args):
    with torch.device("meta"):
        network = timm.create_model(backbone, **args).eval()
        return sublayer.removable(network, Example.of(torch.empty(1, 3, size, size)))


def test_norm_scale_and_drop_path_go_with_a_self_attention():
    found = find("vit_tiny_patch16_224", img_size=64, depth=2, init_values=1e-4)
    assert found["blocks.1.attn"] == tuple(
        f"blocks.1.{name}" for name in ("norm1", "attn", "ls1", "drop_path1")
    )
    assert len(found) == 2


def test_a_norm_behind_the_self_attention_is_where_it_is_switched_off():
    found = find("swinv2_cr_tiny_224", img_size=64, depths=(1, 1, 1, 1), embed_dim=24)
    first = next(iter(found))
    assert first == "stages.0.blocks.0.norm1"
    assert "stages.0.blocks.0.attn" in found[first]


@pytest.mark.parametrize("backbone", ["botnet26t_256", "resnet18"])
def test_an_attention_in_the_middle_of_a_branch_is_no_sublayer(backbone):
    assert find(backbone) == {}


def test_two_sublayers_of_one_block_go_one_by_one():
    found = find("tnt_s_patch16_224", size=224, depth=1)
    assert [set(parts) & {"blocks.0.attn_in", "blocks.0.attn_out"} for parts in found.values()] == [
        {"blocks.0.attn_in"},
        {"blocks.0.attn_out"},
    ]
