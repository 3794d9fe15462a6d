"""The contract of every position: modules are found, put there and taken away again."""

import pytest
import timm
import torch
from torch import nn

from ean_search.networks.builder import build, place, prune
from ean_search.networks.example import Example
from ean_search.networks.positions.registry import POSITIONS, find_position
from ean_search.networks.positions.wrappers import replace_module, unwrap_modules
from ean_search.networks.sites import find_sites, make_backbone, probe
from ean_search.utils.errors import UserError
from tests.helpers import mark_slow, randomise, space_of

BACKBONES = {
    "residual": "resnet18",
    "block": "resnet18",
    "qkv": "deit_tiny_patch16_224",
    "mixer": "convformer_s18",
    "sublayer": "deit_tiny_patch16_224",
    "gate": "mobilenetv3_small_050",
}


class StandIn(nn.Module):
    """Stands at a path as a slot does, and notes that it runs."""

    def __init__(self, path, original, calls):
        super().__init__()
        self.path, self.original, self.calls = path, original, calls

    def forward(self, x, *previous, **named):
        self.calls.append(self.path)
        return x if self.original is None else self.original(x)


def test_every_position_is_tried():
    assert set(BACKBONES) == set(POSITIONS)


@pytest.mark.parametrize("name", mark_slow(POSITIONS, ["sublayer", "gate"]))
def test_a_module_is_put_where_the_path_says_and_may_leave_again(name):
    position = find_position(name)
    with torch.device("meta"):
        network = timm.create_model(BACKBONES[name]).eval()
        paths = position.module_paths(network, Example.of(torch.empty(1, 3, 224, 224)))
    names = list(network.state_dict())
    calls = []
    for path in paths:
        position.put(network, path, StandIn(path, position.original(network, path), calls))
    network(torch.empty(1, 3, 224, 224, device="meta"))
    assert calls == paths
    for path, module in list(network.named_modules()):
        if isinstance(module, StandIn):
            replace_module(network, path, module.original)
    unwrap_modules(network)
    assert list(network.state_dict()) == names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "position", "path", "layout"),
    [
        ("resnet18", "residual", "layer1.0.se", "nchw"),
        ("convnext_atto", "residual", "stages.0.blocks.0.drop_path", "nchw"),
        ("resnet18", "block", "layer1.0", "nchw"),
        ("convnext_atto", "block", "stages.0.blocks.0", "nchw"),
    ],
)
def test_sites_say_where_they_are(backbone, position, path, layout):
    site = find_sites(space_of(backbone, position=position, image_size=64))[0]
    assert (site.position, site.module_path, site.layout) == (position, path, layout)
    assert site.block == path.removesuffix(".se").removesuffix(".drop_path")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "args", "layout", "prefix"),
    [
        ("deit_tiny_patch16_224", {"img_size": 64}, "tokens", 1),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "window_size": 4}, "nhwc", 0),
    ],
)
@pytest.mark.parametrize("position", ["residual", "block"])
def test_gates_fit_maps_of_any_layout(backbone, args, layout, prefix, position):
    space = probe(space_of(backbone, backbone_args=args, position=position, image_size=64))
    site = find_sites(space)[0]
    expected = (
        "tokens" if "swin" in backbone and site.module_path.endswith("drop_path2") else layout
    )
    assert (site.layout, site.prefix) == (expected, prefix)
    network = randomise(build(space)).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        plain = make_backbone(space, 10).eval()
        plain.load_state_dict(prune(network, space.named["none"]).state_dict())
        assert torch.equal(place(network, space.named["none"])(x), plain(x))
        attached = place(network, space.named["all"])(x)
        assert torch.equal(prune(network, space.named["all"])(x), attached)
        assert not torch.equal(attached, plain(x))


def test_an_unknown_position_is_refused():
    with pytest.raises(UserError, match="unknown position 'blok'; did you mean 'block'"):
        find_position("blok")
