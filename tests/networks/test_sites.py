import pytest
import timm
import torch

from ean_search.core.space import Space, load_space, shipped_spaces
from ean_search.networks.sites import find_sites, make_backbone, probe
from ean_search.utils.errors import UserError


def space_of(backbone, **fields):
    return Space(**{"name": "own", "backbone": backbone, "attention": "se"} | fields)


def own_backbone(num_classes):
    """Build a user's own backbone: anything whose blocks have a home for attention."""
    return timm.create_model("resnet18", num_classes=num_classes)


def without_sites(num_classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(num_classes))


@pytest.mark.parametrize("name", shipped_spaces())
def test_shipped_spaces_say_what_probing_finds(name):
    space = load_space(name)
    assert probe(space.model_copy(update={"stages": ()})).stages == space.stages


def test_sites_come_with_their_maps():
    sites = find_sites(load_space("resnet50_shared"))
    assert [(s.channels, s.height) for s in sites[::5]] == [
        (256, 56),
        (512, 28),
        (1024, 14),
        (2048, 7),
    ]
    assert sites[0].elements == 802_816
    assert sites[-1].elements == 100_352


@pytest.mark.parametrize(
    ("backbone", "count"), [("resnet26t", 8), ("mobilenetv3_small_050", 11), ("regnety_002", 13)]
)
def test_any_backbone_with_homes_will_do(backbone, count):
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
def test_backbones_that_will_not_do_say_why(space, words):
    with pytest.raises(UserError, match=words):
        probe(space)


def test_resnet164_has_the_published_size():
    space = load_space("resnet164_shared")
    counts = [sum(p.numel() for p in make_backbone(space, n).parameters()) for n in (10, 100)]
    assert counts == [1_704_154, 1_727_284]
