"""Sites: found by probing, numbered, described."""

import pytest
import timm
import torch

from ean_search.core.space import load_space, shipped_spaces
from ean_search.networks.sites import find_sites, probe
from ean_search.utils.errors import UserError
from tests.helpers import space_of


def own_backbone(num_classes):
    """Build a user's own backbone: any network whose blocks have a place for attention."""
    return timm.create_model("resnet18", num_classes=num_classes)


def without_sites(num_classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(num_classes))


@pytest.mark.parametrize("name", shipped_spaces())
def test_the_stages_of_shipped_spaces_are_those_that_probing_finds(name):
    space = load_space(name)
    assert probe(space.model_copy(update={"stages": ()})).stages == space.stages


def test_sites_describe_their_maps():
    sites = find_sites(load_space("resnet50_shared"))
    assert [(s.channels, s.height) for s in sites[::5]] == [
        (256, 56),
        (512, 28),
        (1024, 14),
        (2048, 7),
    ]
    assert sites[0].num_elements == 802_816
    assert sites[-1].num_elements == 100_352


@pytest.mark.parametrize(
    ("backbone", "count"), [("resnet26t", 8), ("mobilenetv3_small_050", 11), ("regnety_002", 13)]
)
def test_sites_are_found_in_any_backbone_that_has_them(backbone, count):
    assert probe(space_of(backbone)).sites == count


def test_a_users_own_backbone_is_named_by_address():
    space = probe(space_of(f"{__name__}:own_backbone"))
    assert space.stages == (2, 2, 2, 2)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (space_of("convnext_atto", position="qkv"), "se: goes to position residual or block, not"),
        (space_of("convnext_atto", attention="key_only"), "no block of it has.*token_mixer"),
        (space_of("vgg11"), "has no site: no block of it has an attribute"),
        (space_of(f"{__name__}:without_sites"), "has no site"),
        (space_of("resnt18"), "unknown backbone 'resnt18'; did you mean 'resnet18'"),
        (space_of("resnet18", backbone_args={"dept": 3}), "cannot be built with"),
        (space_of("resnet18", stages=(2, 2)), r"says its stages have \(2, 2\) sites"),
    ],
)
def test_errors_name_the_reason(space, words):
    with pytest.raises(UserError, match=words):
        probe(space)


def test_attentions_of_different_positions_do_not_share_a_space():
    with pytest.raises(UserError, match=r"no position is right.*se: residual or block; broad: qkv"):
        probe(space_of("deit_tiny_patch16_224", attention=["se", "broad"], image_size=224))
    space = space_of("resnet18", attention="mrla_light", position="residual", image_size=64)
    with pytest.raises(UserError, match="mrla_light: goes to position block, not residual"):
        probe(space)


def test_stages_can_have_a_given_length():
    sites = find_sites(space_of("resnet18", stage_length=1))
    assert [site.stage for site in sites] == list(range(8))
    assert [site.number for site in sites] == list(range(8))
