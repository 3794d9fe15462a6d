"""After a block: blocks are found by what they compute."""

import torch
from torch import nn

from ean_search.networks.builder import build, place, slots
from ean_search.networks.example import Example
from ean_search.networks.positions.block import module_paths
from ean_search.networks.sites import find_sites, probe
from tests.helpers import space_of


class Add(nn.Module):
    """A block with a shortcut around a convolution."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(x).relu() + x


class Plain(Add):
    """A block without a shortcut."""

    def forward(self, x):
        return self.conv(x).relu()


class AddInPlace(Add):
    """A block that overwrites its input."""

    def forward(self, x):
        y = self.conv(x)
        return x.add_(y)


def test_blocks_are_those_that_add_their_input():
    sites = find_sites(space_of("efficientnet_b0", position="block", image_size=64))
    paths = {site.module_path for site in sites}
    assert "blocks.1.1" in paths
    assert not {"blocks.0.0", "blocks.1.0"} & paths  # they change the shape and have no shortcut
    resnet = find_sites(space_of("resnet18", position="block", image_size=64))
    assert [s.module_path for s in resnet] == [
        f"layer{i}.{j}" for i in range(1, 5) for j in range(2)
    ]


def test_only_the_innermost_modules_with_a_shortcut_are_blocks():
    backbone = nn.Sequential(nn.Sequential(Add(), Plain()), AddInPlace(), Plain())
    assert module_paths(backbone, Example.of(torch.randn(1, 3, 8, 8))) == ["0.0", "1"]


def test_finding_blocks_does_not_change_the_backbone():
    backbone = nn.Sequential(Add(), AddInPlace())
    x = torch.randn(1, 3, 8, 8)
    expected = backbone(x.clone())
    module_paths(backbone, Example.of(x.clone()))
    assert torch.equal(backbone(x.clone()), expected)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in backbone.modules())


def test_the_shortcut_is_the_projected_one():
    attention = {"name": "mrla_light", "drop_path": 0.0}
    network = build(space_of("resnet18", attention=attention, image_size=64)).eval()
    shapes = {}
    for slot in slots(network):
        slot.register_forward_hook(lambda s, given, _: shapes.update({s.site.module_path: given}))
    with torch.no_grad():
        network(torch.randn(1, 3, 64, 64))
    assert len(shapes) == 8
    for path, (x, previous) in shapes.items():
        assert x.shape == previous.shape, path


def test_layer_attention_fits_maps_with_channels_last():
    args = {"img_size": 64, "window_size": 4}
    space = probe(
        space_of(
            "swin_tiny_patch4_window7_224",
            attention="mrla_light",
            backbone_args=args,
            sharing="none",
            image_size=64,
        )
    )
    assert find_sites(space)[0].layout == "nhwc"
    network = place(build(space).eval(), space.named["all"])
    with torch.no_grad():
        assert network(torch.randn(1, 3, 64, 64)).isfinite().all()
