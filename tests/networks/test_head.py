"""The head of a classifier is found, or a line says that it is not."""

import pytest
import timm
from torch import nn

from ean_search.networks.head import find_head
from ean_search.utils.errors import UserError


@pytest.mark.parametrize(
    ("backbone", "path"),
    [("resnet18", "fc"), ("vit_tiny_patch16_224", "head"), ("mobilenetv3_small_050", "classifier")],
)
def test_timms_heads_are_found(backbone, path):
    assert find_head(timm.create_model(backbone, num_classes=4))[0] == path


def test_the_last_linear_layer_of_another_network_is_its_head():
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4), nn.Identity())
    path, head = find_head(network)
    assert (path, head.out_features) == ("2", 4)


@pytest.mark.parametrize(
    "network", [nn.Conv2d(3, 4, 1), timm.create_model("deit_tiny_distilled_patch16_224", depth=1)]
)
def test_a_head_that_is_not_one_layer_is_refused(network):
    with pytest.raises(UserError, match="cannot be found: expected one linear layer"):
        find_head(network)
