"""T2T-ViT: the authors' outputs, published sizes, and what timm and the spaces make of it."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

import ean_search.networks.timm_models  # noqa: F401
from ean_search.core.space import load_space
from ean_search.costs.flops import count_flops, count_params
from ean_search.costs.measure import measure_costs
from ean_search.networks.backbones.t2t_vit import T2TViT, sinusoids
from ean_search.networks.builder import build, place, prune
from ean_search.networks.sites import find_sites, probe
from ean_search.utils.errors import UserError
from tests.helpers import load_small

PARITY = Path(__file__).parents[2] / "parity"
# Trainable parameters, all tensors, and fvcore's total at 224 px.
PUBLISHED = {
    "t2t_vit_7": (4_255_694, 4_310_222, 1_156_470_316),
    "t2t_vit_12": (6_887_374, 6_941_902, 1_774_766_636),
    "t2t_vit_14": (21_465_806, 21_545_550, 4_800_261_804),
    "t2t_vit_t_14": (21_465_422, 21_541_070, 6_105_508_160),
}


@pytest.mark.parametrize("layer", ["performer", "transformer"])
@pytest.mark.parametrize("fused", [True, False])
def test_it_equals_the_authors_code(layer, fused):
    arrays = np.load(PARITY / f"t2t_{layer}_a.npz")
    data = {key: torch.from_numpy(arrays[key]) for key in arrays}
    network = T2TViT(
        32,
        embed_dim=32,
        depth=2,
        num_heads=2,
        mlp_ratio=2.0,
        num_classes=7,
        token_layer=layer,
        token_width=8,
    ).eval()
    assert torch.equal(network.pos_embed, data["w:pos_embed"])
    weights = {key[2:]: tensor for key, tensor in data.items() if key.startswith("w:")}
    network.load_state_dict(weights)  # strict: the names are the authors'
    for module in network.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = fused
    with torch.no_grad():
        assert (network.tokens_to_token(data["input"]) - data["tokens"]).abs().max() < 1e-6
        assert (network(data["input"]) - data["logits"]).abs().max() < 1e-6


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_the_published_ones(name):
    network = timm.create_model(name)
    tensors = sum(tensor.numel() for tensor in network.state_dict().values())
    flops = count_flops(network, torch.zeros(1, 3, 224, 224))[1]
    assert (count_params(network), tensors, flops) == PUBLISHED[name]


def test_positions_are_sines_and_cosines():
    table = sinusoids(4, 6)
    assert table.shape == (4, 6)
    assert table[0].tolist() == [0, 1, 0, 1, 0, 1]
    angle = 3 / 10_000 ** (2 / 6)
    expected = torch.tensor([angle]).sin(), torch.tensor([angle]).cos()
    torch.testing.assert_close(table[3, 2:4], torch.cat(expected))


def test_timms_arguments_hold():
    maps = timm.create_model("t2t_vit_7", features_only=True, img_size=64, out_indices=(1, 6))
    found = maps.eval()(torch.randn(1, 3, 64, 64))
    assert [tuple(m.shape) for m in found] == [(1, 256, 4, 4)] * 2
    assert maps.feature_info.reduction() == [16, 16]
    gray = timm.create_model("t2t_vit_7", in_chans=1, num_classes=3, img_size=32)
    assert gray(torch.randn(2, 1, 32, 32)).shape == (2, 3)
    with pytest.raises(RuntimeError, match="No pretrained weights exist for t2t_vit_7"):
        timm.create_model("t2t_vit_7", pretrained=True)


def test_the_stem_learns_at_the_lowest_rate():
    matcher = timm.create_model("t2t_vit_7", img_size=32).group_matcher()
    assert "tokens_to_token" in matcher["stem"]
    assert "patch_embed" not in matcher["stem"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["t2t_vit_7_broad", "t2t_vit_14_broad"])
def test_sites_are_the_isotropic_layers(name):
    space = load_space(name)
    sites = find_sites(space)
    assert [site.module_path for site in sites] == [
        f"blocks.{k}.attn.qkv" for k in range(len(sites))
    ]
    assert probe(space).stages == space.stages == (len(sites),)
    assert space.named["last-half"].attached == (len(sites) + 1) // 2
    assert space.named["last-half"].choices[-1] == 1


@pytest.mark.slow
def test_broad_attention_adds_what_it_adds_to_a_vit():
    table = measure_costs(load_space("t2t_vit_7_broad"), rounds=1)
    space = load_space("t2t_vit_7_broad")
    none, full = (table.price(space.named[name]) for name in ("none", "all"))
    assert (none.params, none.flops) == PUBLISHED["t2t_vit_7"][::2]
    assert full.params == none.params
    assert full.macs - none.macs == 7 * 2 * 197**2 * 256


def test_with_nothing_attached_it_is_the_plain_network():
    space = load_small("t2t_vit_14_broad")
    network = build(space, classes=5).eval()
    plain = timm.create_model("t2t_vit_14", num_classes=5, img_size=64, embed_dim=96, num_heads=3)
    pruned = prune(network, space.named["none"])
    plain.load_state_dict(pruned.state_dict())
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = plain.eval()(x)
        assert torch.equal(place(network, space.named["none"])(x), expected)
        assert not torch.equal(place(network, space.named["all"])(x), expected)


@pytest.mark.slow
@pytest.mark.parametrize(("attention", "position"), [("mrla_light", "block"), ("se", "residual")])
def test_other_attentions_go_where_a_vit_has_them(attention, position):
    space = probe(
        load_space("t2t_vit_7_broad", attention=attention, image_size=64, stages=(), placements={})
    )
    sites = find_sites(space)
    assert {site.position for site in sites} == {position}
    assert all(site.module_path.startswith("blocks.") for site in sites)
    x = torch.randn(1, 3, 64, 64)
    network = build(space, classes=3).eval()
    assert place(network, space.named["all"])(x).shape == (1, 3)


@pytest.mark.slow
def test_a_size_that_does_not_fit_names_sizes_that_do():
    with pytest.raises(UserError, match=r"40 x 40 px: .*multiple of 16.*; sizes that work: .*48"):
        probe(load_space("t2t_vit_7_broad", image_size=40))


def test_a_pyramid_of_a_network_with_a_placement():
    network = timm.create_model(
        "ean_t2t_vit_7", placement="0001111", img_size=64, features_only=True
    )
    assert network.eval()(torch.zeros(1, 3, 64, 64))[0].shape == (1, 256, 4, 4)
