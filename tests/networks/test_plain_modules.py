"""A found network needs torch alone: it loads where the package is not installed."""

import subprocess
import sys

import pytest
import torch
import torchvision
from torch import nn

from ean_search.networks.builder import build, prune
from ean_search.networks.example import Example
from ean_search.networks.live import register_live
from ean_search.networks.plain_modules import foreign_modules, make_plain
from ean_search.networks.site_table import live_space
from ean_search.networks.sites import find_sites
from tests.helpers import randomise, slow
from tests.networks.modules import GatedNet

IMAGES = torch.rand(2, 3, 16, 16)


def vit():
    model = torchvision.models.VisionTransformer(16, 4, 2, 2, 16, 32, num_classes=3)
    nn.init.normal_(model.heads.head.weight)
    return model


class Projected(nn.Module):
    """Residual blocks, the first of which projects its shortcut."""

    def __init__(self, channels=64):
        super().__init__()
        block = torchvision.models.resnet.BasicBlock
        down = nn.Conv2d(3, channels, 1, stride=2)
        self.first = block(3, channels, stride=2, downsample=down)
        self.second = block(channels, channels)

    def forward(self, x):
        return self.second(self.first(x)).mean((2, 3))


def plain_of(model, example, attention, text):
    live = register_live(model, Example.of(example))
    space = live_space(live, attention)
    network = randomise(build(space)) if attention != "own" else build(space)
    pruned = prune(network, space.parse(text)).eval()
    hearts = {s.module_path: s.returned for s in find_sites(space) if s.removed}
    return pruned, make_plain(pruned, live.example, hearts)


def same(one, other, x):
    with torch.no_grad():
        return torch.allclose(one(x), other(x), atol=1e-5)


@pytest.mark.parametrize("text", ["none", "10", "all"])
def test_removed_self_attentions_leave_nothing_of_the_package(text):
    pruned, plain = plain_of(vit(), IMAGES, "own", text)
    assert not foreign_modules(plain)
    assert same(pruned, plain, torch.rand(3, 3, 16, 16))  # another number of images, too


def test_torchs_own_transformer_layers_lose_their_self_attention(tmp_path):
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
    model, tokens = (
        nn.TransformerEncoder(layer, 3, enable_nested_tensor=False),
        torch.rand(2, 9, 16),
    )
    pruned, plain = plain_of(model.eval(), tokens, "own", "101")
    torch.save(plain, tmp_path / "plain.pt")
    loaded = torch.load(tmp_path / "plain.pt", weights_only=False)
    assert not foreign_modules(plain)
    assert [type(m) for m in plain.modules()].count(nn.MultiheadAttention) == 2
    more = torch.rand(3, 5, 16)
    assert same(pruned, plain, more)
    assert same(pruned, loaded, more)
    whole, _ = plain_of(model, tokens, "own", "all")
    assert same(whole, model, more)


@pytest.mark.parametrize("attention", ["se", "eca", "sge", slow("triplet"), slow("ema_attention")])
def test_new_attentions_become_graphs_of_torch(attention):
    pruned, plain = plain_of(Projected(), IMAGES, attention, "all")
    assert foreign_modules(pruned)
    assert not foreign_modules(plain)
    assert same(pruned, plain, torch.rand(3, 3, 32, 24))
    shared = len(list(pruned.parameters()))
    assert len(list(plain.parameters())) == shared  # shared ones stay shared
    plain.train()(IMAGES).sum().backward()
    assert all(p.grad is not None for p in plain.parameters())


def test_gates_for_tokens_are_graphs_too():
    pruned, plain = plain_of(vit(), IMAGES, "se", "11")
    assert not foreign_modules(plain)
    assert same(pruned, plain, torch.rand(3, 3, 16, 16))


def test_what_cannot_be_plain_is_said(caplog):
    _, plain = plain_of(Projected(), IMAGES, "mrla_light", "all")
    assert foreign_modules(plain)
    assert "stays a module of ean_search, which must be installed" in caplog.text


@pytest.mark.slow
def test_the_file_loads_without_the_package(tmp_path):
    images = torch.rand(2, 3, 16, 16)
    for name, attention in (("own", "own"), ("se", "se")):
        pruned, plain = plain_of(vit(), images, attention, "10")
        torch.save(plain, tmp_path / f"{name}.pt")
        torch.save(pruned(images).detach(), tmp_path / f"{name}.out")
    torch.save(images, tmp_path / "images.pt")
    code = """
import sys, torch
sys.modules["ean_search"] = None  # importing it fails
for name in ("own", "se"):
    network = torch.load(f"{name}.pt", weights_only=False)
    with torch.no_grad():
        made = network(torch.load("images.pt"))
    assert torch.allclose(made, torch.load(f"{name}.out"), atol=1e-5)
    assert not [m for m in sys.modules if m.startswith("ean_search.")]
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_the_users_own_classes_stay():
    example = {"image": torch.rand(1, 1, 8, 8), "scale": 0.5}
    pruned, plain = plain_of(GatedNet(2), example, "own", "01")
    assert type(plain) is GatedNet
    assert type(plain.blocks[1].recalibrate) is type(pruned.blocks[1].recalibrate)
    assert isinstance(plain.blocks[0].recalibrate, nn.Identity)
