"""Pretrained weights: where they come from, what fits, and what attention adds to them."""

from unittest.mock import patch

import pytest
import timm
import torch
from safetensors.torch import save_file

from ean_search.core.space import Space, load_space
from ean_search.networks import weight_sources
from ean_search.networks.builder import build, place, prune
from ean_search.networks.pretrained import load_backbone, with_unit_gates
from ean_search.networks.sites import probe
from ean_search.utils.errors import UserError
from tests.helpers import load_small, space_of


def save(network, path):
    save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, path)
    return str(path)


@pytest.fixture
def plain(tmp_path):
    """Return a plain resnet18 for 5 classes, and a file with its weights."""
    torch.manual_seed(5)
    network = timm.create_model("resnet18", num_classes=5).eval()
    return network, save(network, tmp_path / "plain.safetensors")


VIT = {"img_size": 64, "embed_dim": 24, "depth": 2, "num_heads": 2}
SWIN = {"img_size": 64, "window_size": 2, "embed_dim": 12, "depths": [1] * 4, "num_heads": [1] * 4}
FAMILIES = {  # the attention, and the arguments of the backbone
    "resnet10t": ("sge", {}),
    "eca_resnext26ts": ("own", {}),
    "regnety_002": ("own", {}),
    "efficientnet_lite0": ("se", {}),
    "mobilenetv3_small_050": ("own", {}),
    "convnext_atto": ("srm", {"depths": [1] * 4, "dims": [8, 8, 16, 16]}),
    "vit_tiny_patch16_224": ("own", VIT),
    "beit_base_patch16_224": ("own", VIT),
    "swin_tiny_patch4_window7_224": ("own", SWIN),
    "mobilevit_xxs": ("se", {}),
    "ghostnet_050": ("own", {}),
    "rexnet_100": ("own", {}),
    "hrnet_w18_small": ("eca", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("backbone", FAMILIES)
def test_a_network_of_any_family_starts_as_its_pretrained_model(backbone, tmp_path):
    attention, arguments = FAMILIES[backbone]
    fields = {"name": "x", "backbone": backbone, "backbone_args": arguments, "image_size": 64}
    space = probe(Space(attention=attention, **fields))
    torch.manual_seed(5)
    model = timm.create_model(backbone, num_classes=7, **arguments)
    with torch.no_grad():
        model(torch.randn(4, 3, 64, 64))  # so that norms have statistics
    started = build(space, classes=7, seed=1).eval()
    load_backbone(started, space, save(model.eval(), tmp_path / "plain.safetensors"))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        plain = place(started, space.named["all" if space.has_own else "none"])
        assert torch.equal(plain(x), model(x))


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["mrla_light", "depthwise", "mrla_base"])
def test_added_branches_leave_the_backbone_as_it_is(attention, plain):
    network, file = plain
    space = load_small("resnet18_shared", attention=attention, unit_gate=False)
    started = build(space, classes=5, seed=4).eval()
    load_backbone(started, space, file)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for name in ("none", "all"):
            assert torch.equal(place(started, space.named[name])(x), network(x))


def test_a_head_for_other_classes_keeps_its_weights(plain, caplog):
    network, file = plain
    space = load_small("resnet18_shared")
    started = build(space, classes=7, seed=4)
    head = started.fc.weight.clone()
    with caplog.at_level("INFO"):
        load_backbone(started, space, file)
    assert torch.equal(started.fc.weight, head)
    assert torch.equal(started.layer4[0].conv1.weight, network.layer4[0].conv1.weight)
    assert "120 of the backbone's 122 tensors start from" in caplog.text


def test_weights_get_behind_every_kind_of_wrapper(tmp_path):
    space = load_small("deit_small_broad")
    source = prune(build(space, seed=3), space.named["none"]).eval()
    started = build(space, seed=4).eval()
    load_backbone(started, space, save(source, tmp_path / "plain.safetensors"))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(started(x), source(x))


def test_weights_of_timm_come_from_its_cache_where_the_hub_is_not_reachable(monkeypatch):
    space = load_small("resnet18_shared")
    cached = timm.create_model("resnet18")
    monkeypatch.setattr(weight_sources, "_hub_is_reachable", lambda: False)
    network = build(space, classes=1000)
    with patch.object(weight_sources.timm, "create_model", return_value=cached) as create:
        load_backbone(network, space, "timm")
    create.assert_called_once_with("resnet18", pretrained=True)
    assert torch.equal(network.conv1.weight, cached.conv1.weight)


def test_a_hub_that_does_not_answer_is_named(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(weight_sources.socket, "create_connection", refuse)
    space = load_small("resnet18_shared")
    network = build(space)
    with (
        patch.object(weight_sources.timm, "create_model", side_effect=RuntimeError("not cached")),
        pytest.raises(UserError, match=r"no pretrained weights of 'resnet18'.*does not answer"),
    ):
        load_backbone(network, space, "timm")


def test_errors_name_the_reason(tmp_path):
    space = load_small("resnet18_shared")
    network = build(space)
    with pytest.raises(UserError, match=r"no pretrained weights at .*nowhere\.pt"):
        load_backbone(network, space, str(tmp_path / "nowhere.pt"))
    broken = tmp_path / "broken.pt"
    broken.write_text("no weights")
    with pytest.raises(UserError, match=r"broken\.pt holds no weights that can be read"):
        load_backbone(network, space, str(broken))
    other = save(torch.nn.Linear(2, 2), tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"nothing in the weights of .* fits resnet18"):
        load_backbone(network, space, other)
    own = load_space("resnet164_shared")
    with pytest.raises(UserError, match="timm has no weights of 'resnet164'; name a file"):
        load_backbone(build(own), own, "timm")


@pytest.mark.parametrize(
    ("attention", "unit_gate"), [("se", True), ("mrla_light", False), (["se", "dia"], True)]
)
def test_gates_start_at_a_mean_of_1(attention, unit_gate):
    assert with_unit_gates(space_of("resnet18", attention=attention)).unit_gate is unit_gate
