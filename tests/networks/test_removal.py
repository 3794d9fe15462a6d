"""Sublayers that are removed: a zero in their place costs nothing and changes nothing else."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from ean_search.costs.flops import count_flops, count_params
from ean_search.costs.measure import measure_costs
from ean_search.networks.builder import build, place, place_per_sample, prune
from ean_search.networks.example import Example
from ean_search.networks.live import register_live
from ean_search.networks.removal import Removed, Zero
from ean_search.networks.site_table import live_space
from ean_search.networks.sites import make_backbone, probe
from ean_search.utils.errors import UserError
from tests.helpers import mark_slow, space_of

VIT = {"img_size": 32, "patch_size": 8, "depth": 4, "embed_dim": 24, "num_heads": 2}
SWIN = {"img_size": 64, "window_size": 4, "embed_dim": 24, "depths": [2, 1, 1, 1]}
SPACES = {
    "vit": space_of("vit_tiny_patch16_224", attention="own", backbone_args=VIT, image_size=32),
    "swin": space_of(
        "swin_tiny_patch4_window7_224", attention="own", backbone_args=SWIN, image_size=64
    ),
    "post-norm": space_of(
        "swinv2_cr_tiny_224",
        attention="own",
        backbone_args={"img_size": 64, "depths": [1, 1, 1, 1], "embed_dim": 24},
        image_size=64,
    ),
    "mixer": space_of("caformer_s18", attention="own", image_size=64),
    "gates": space_of("mobilenetv3_small_050", attention="own", image_size=64),
    "eca": space_of("eca_resnet33ts", attention="own", image_size=64),
}


@pytest.fixture(params=mark_slow(SPACES, ["mixer", "eca"]))
def space(request):
    return probe(SPACES[request.param])


def images(space):
    return torch.randn(2, 3, space.image_size, space.image_size)


def test_a_zero_goes_through_a_block_and_leaves_its_sum_alone():
    x = torch.randn(2, 5, 6)
    zero = Removed()(x)
    assert isinstance(zero, Zero)
    assert x + zero is x
    assert zero + x is x
    assert isinstance(F.layer_norm(zero, (6,)), Zero)
    assert isinstance(torch.ones(6) * zero.transpose(1, 2), Zero)
    assert zero.view(10, -1).shape == (10, 6)


def test_a_zero_unpacks_as_what_a_self_attention_returns_and_is_no_tensor_else():
    zero = Zero(torch.zeros(2, 3))
    output, weights = zero
    assert output is zero
    assert weights is None
    with pytest.raises(ValueError, match="unpack"):
        _query, _key, _value = zero
    with pytest.raises(TypeError):
        torch.cat([torch.zeros(2, 3), zero])


def test_everywhere_is_the_plain_backbone_to_the_bit(space):
    network = build(space, classes=10, seed=3).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        plain = make_backbone(space, 10).eval()
    whole, x = prune(network, space.named["all"]), images(space)
    assert list(whole.state_dict()) == list(plain.state_dict())
    with torch.no_grad():
        assert torch.equal(place(network, space.named["all"])(x), plain(x))
        assert torch.equal(whole(x), plain(x))


@pytest.mark.slow
def test_a_pruned_network_computes_the_same_and_costs_what_the_table_says(space):
    network = build(space, classes=10).eval()
    table, x = measure_costs(space, classes=10, rounds=2), images(space)
    for name in ("none", "every-other"):
        placement = space.named[name]
        pruned = prune(network, placement)
        with torch.no_grad():
            assert torch.equal(place(network, placement)(x), pruned(x))
        cost = table.price(placement)
        assert cost.params == count_params(pruned)
        assert (cost.macs, cost.flops) == count_flops(pruned, x[:1])


def test_nothing_of_an_attention_is_left_in_the_network_without_any(space):
    network = build(space, classes=10)
    left = prune(network, space.named["none"])
    names = {type(module).__name__ for module in left.modules()}
    assert not names & {"Attention", "WindowAttention", "WindowMultiHeadAttentionNoPos"}
    assert not names & {"SqueezeExcite", "EcaModule"}
    assert len(list(left.parameters())) < len(list(network.parameters()))


def test_every_image_may_have_a_placement_of_its_own():
    space = probe(SPACES["swin"])
    network, x = build(space, classes=10).eval(), images(space)
    placements = [space.named["none"], space.named["every-other"]]
    with torch.no_grad():
        mixed = place_per_sample(network, placements)(x)
        for image, placement, logits in zip(x, placements, mixed, strict=True):
            alone = place(network, placement)(image[None])
            torch.testing.assert_close(logits[None], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit", "swin"])
def test_what_is_removed_stays_removed_in_exports(name):
    space = probe(SPACES[name])
    pruned, x = prune(build(space).eval(), space.named["every-other"]), images(space)
    with torch.no_grad():
        expected = pruned(x)
        assert torch.equal(torch.export.export(pruned, (x,)).module()(x), expected)
        compiled = torch.compile(pruned, fullgraph=True, backend="eager")
        assert torch.equal(compiled(x), expected)


def test_own_may_be_mixed_with_new_attention():
    space = probe(space_of("mobilenetv3_small_050", attention=["own", "eca"], image_size=64))
    network = build(space).eval()
    both = prune(network, space.placement([1 + i % 2 for i in range(space.sites)]))
    kinds = [type(m).__name__ for m in both.modules()]
    assert "SqueezeExcite" in kinds
    assert "EcaModule" in kinds


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        ("resnet18", "has no attention of its own .*a new one, such as se, could go to 8 sites"),
        ("vgg11", "has no attention of its own"),
    ],
)
def test_a_backbone_without_attention_of_its_own_is_refused(backbone, words):
    with pytest.raises(UserError, match=words):
        probe(space_of(backbone, attention="own", image_size=64))


def test_modules_are_replaced_by_nothing_that_holds_weights():
    assert not list(Removed().parameters())
    assert not isinstance(Removed(), nn.Identity)


def test_a_sublayer_that_returns_its_weights_too_can_go():
    torch.manual_seed(0)
    vit = torchvision.models.VisionTransformer(16, 8, 2, 2, 16, 32, num_classes=3).eval()
    nn.init.normal_(vit.heads.head.weight)
    images = torch.randn(2, 3, 16, 16)
    live = register_live(vit, Example.of(images))
    network = build(live_space(live, "own")).eval()
    assert torch.equal(place(network, "11")(images), vit(images))
    for text in ("00", "01", "10"):
        pruned = prune(network, text)
        assert torch.equal(place(network, text)(images), pruned(images))
        kinds = [type(module).__name__ for module in pruned.modules()]
        assert kinds.count("MultiheadAttention") == int(text[0]) + int(text[1])
