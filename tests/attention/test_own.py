"""The choice that stands for what the backbone has."""

import torch
from torch import nn

from ean_search.attention.own import Own


def test_it_is_the_backbones_module_with_all_its_arguments():
    class Scaled(nn.Module):
        def forward(self, x, factor, *, shift):
            return x * factor + shift

    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(Own(3, Scaled())(x, 2, shift=1), 2 * x + 1)


def test_it_is_the_identity_where_the_backbone_has_nothing():
    x = torch.randn(2, 3, 4, 4)
    assert Own(3)(x) is x
