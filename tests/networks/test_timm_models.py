"""Networks as timm models."""

import subprocess
import sys

import ean_search.models
import pytest
import timm
import torch

from ean_search.core.space import load_space
from ean_search.costs.flops import count_params
from ean_search.networks.builder import build, prune
from ean_search.networks.timm_models import MODELS, backbone_cfg, make_feature_network, make_network
from ean_search.utils.errors import UserError
from tests.helpers import mark_slow


@pytest.mark.slow
def test_only_this_module_registers():
    code = "import ean_search, timm; print(timm.is_model('ean_resnet50'))"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "False"
    assert timm.is_model("ean_resnet50")


def test_a_name_and_a_placement_give_the_pruned_network():
    network = timm.create_model(
        "ean_resnet18", placement="10-01-00-11", num_classes=5, unit_gate=False
    )
    space = load_space("resnet18_shared", unit_gate=False)
    expected = prune(build(space, 5), space.parse("10-01-00-11"))
    assert network.state_dict().keys() == expected.state_dict().keys()
    assert count_params(network) == count_params(expected)
    assert network.pretrained_cfg["classifier"] == "fc"


def test_the_published_network_is_one_call():
    network = timm.create_model("ean_resnet50", placement="100-1011-010011-011", attention="sge")
    assert sum(type(module).__name__ == "SGE" for module in set(network.modules())) == 4
    assert count_params(network) == 25_557_032 + 512


@pytest.mark.parametrize("name", mark_slow([*MODELS, "ean_model"], set(MODELS) - {"ean_resnet18"}))
def test_every_model_gives_a_pyramid(name):
    where = {"backbone": "test_resnet"} if name == "ean_model" else {}
    where |= {"img_size": 64} if "_vit_" in name else {}
    network = timm.create_model(name, placement="every-other", features_only=True, **where)
    maps = network.eval()(torch.zeros(1, 3, 64, 64))
    assert [m.shape[1] for m in maps] == network.feature_info.channels()
    assert [64 // m.shape[2] for m in maps] == network.feature_info.reduction()


def test_images_classes_and_levels_can_be_chosen():
    network = timm.create_model("ean_resnet18", in_chans=1, num_classes=3)
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 3)
    maps = timm.create_model("ean_resnet18", features_only=True, out_indices=(2, 4))
    assert maps.feature_info.channels() == [128, 512]


def test_a_configuration_can_be_given():
    cfg = {"num_classes": 4, "mean": (0.5,) * 3, "classifier": "fc"}
    network = timm.create_model("ean_resnet18", pretrained_cfg=cfg)
    assert network.num_classes == 4
    assert network.pretrained_cfg["mean"] == (0.5,) * 3


def test_any_backbone_needs_a_name():
    with pytest.raises(UserError, match="needs a backbone"):
        make_network()
    assert "ean_resnet50" in ean_search.networks.timm_models.__all__


def test_the_generic_model_takes_a_shipped_space_too():
    network = timm.create_model("ean_model", space="tiny", placement="1010", num_classes=4)
    assert network.layer1[0].se is not None
    with pytest.raises(TypeError, match="space"):
        timm.create_model("ean_resnet18", space="tiny")


def test_a_network_without_feature_info_has_no_pyramid():
    with pytest.raises(UserError, match="Linear has no feature_info"):
        make_feature_network(torch.nn.Linear(1, 1), None)


def test_a_configuration_names_no_weights():
    config = backbone_cfg("resnet50")
    assert config.classifier == "fc"
    assert (config.url, config.hf_hub_id) == (None, None)
    assert backbone_cfg("resnet164").first_conv == "conv1"
