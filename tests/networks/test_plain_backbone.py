"""Plain backbones: built for the size of the space, or an error with sizes that work."""

import re
from unittest.mock import patch

import pytest
import timm
import torch

import ean_search.networks.timm_models  # noqa: F401  registers ean_model
from ean_search.core.space import Space
from ean_search.networks import pretrained, weight_sources
from ean_search.networks.builder import build
from ean_search.networks.plain_backbone import make_backbone, size_arguments
from ean_search.networks.sites import find_sites, probe
from ean_search.utils.errors import UserError

SMALL = {"depth": 1, "embed_dim": 48}
SMALL_SWIN = {"depths": [1, 1, 1, 1], "embed_dim": 24}


def space_of_size(backbone, image_size, **fields):
    return Space(
        name="sized", backbone=backbone, image_size=image_size, **({"attention": "se"} | fields)
    )


def fixed_network(num_classes):
    """Build a user's own network that takes one size only."""
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, num_classes))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "args"),
    [
        ("vit_tiny_patch16_224", SMALL),
        ("deit3_small_patch16_224.fb_in1k", SMALL),
        ("gmlp_s16_224", {}),
        ("beit_base_patch16_224", SMALL),
        ("levit_128s", {}),
        ("swin_tiny_patch4_window7_224", SMALL_SWIN),
    ],
)
@pytest.mark.parametrize("size", [64, 96])
def test_backbones_of_a_fixed_size_are_built_for_that_of_the_space(backbone, args, size):
    space = probe(space_of_size(backbone, size, backbone_args=args))
    network = build(space, classes=3).eval()
    with torch.no_grad():
        assert network(torch.randn(1, 3, size, size)).shape == (1, 3)


def test_what_takes_a_size_anyway_is_left_alone():
    for backbone, size in [
        ("resnet18", 100),
        ("xcit_tiny_12_p16_224", 100),
        ("deit_tiny_patch16_224", 224),
    ]:
        assert size_arguments(space_of_size(backbone, size)) == {}


def test_windows_need_no_padding():
    space = space_of_size(
        "swin_tiny_patch4_window7_224", 96, attention="broad", backbone_args=SMALL_SWIN
    )
    assert size_arguments(space) == {"img_size": 96, "window_size": 6}
    assert len(find_sites(space)) == 4  # broad attention refuses windows with padding


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "size", "working"),
    [
        ("vit_tiny_patch16_224", 100, "96, 112, 224"),
        ("eva02_tiny_patch14_224", 64, "56, 70, 224"),
        ("halonet26t", 64, "256"),
    ],
)
def test_a_size_that_does_not_work_is_one_line_with_sizes_that_do(backbone, size, working):
    line = rf"{backbone}.* {size} x {size} px: .*; sizes that work: {working}$"
    with pytest.raises(UserError, match=line) as caught:
        probe(space_of_size(backbone, size))
    assert "\n" not in str(caught.value)
    for good in re.findall(r"\d+", working)[:1]:
        assert probe(space_of_size(backbone, int(good))).sites


def test_sizes_of_other_origin_are_one_line_too():
    with pytest.raises(UserError, match="without img_size in backbone_args"):
        probe(space_of_size("vit_tiny_patch16_224", 64, backbone_args={"img_size": 96}))
    with pytest.raises(UserError, match="does not take images of 32 x 32 px: RuntimeError"):
        probe(space_of_size(f"{__name__}:fixed_network", 32, attention="se"))
    with pytest.raises(UserError, match=r"cannot be built.*Invalid pretrained tag"):
        make_backbone(space_of_size("vit_tiny_patch16_224.nope", 64), 2)
    with pytest.raises(UserError, match=r"cannot be built with .*'dept'"):
        probe(space_of_size("vit_tiny_patch16_224", 64, backbone_args={"dept": 3}))


def test_pretrained_weights_are_asked_for_at_the_size_of_the_space():
    space = probe(space_of_size("vit_tiny_patch16_224", 64, backbone_args=SMALL))
    network = build(space, classes=3)
    cached = timm.create_model("vit_tiny_patch16_224", img_size=64, **SMALL)
    with patch.object(weight_sources.timm, "create_model", return_value=cached) as create:
        pretrained.load_backbone(network, space, "timm")
    assert create.call_args.kwargs == {"pretrained": True, "img_size": 64}
    assert torch.equal(network.pos_embed, cached.pos_embed)


@pytest.mark.parametrize("size", ["img_size", "image_size"])
def test_timm_makes_such_a_network_for_a_size(size):
    args = {"backbone": "vit_tiny_patch16_224", "attention": "se", "backbone_args": SMALL}
    model = timm.create_model("ean_model", num_classes=3, **args, **{size: 64}).eval()
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 3)
