"""Tokens-to-token: the layers written another way, and sizes that do not fit."""

import math

import numpy as np
import pytest
import torch

from ean_search.networks.backbones.tokens_to_token import (
    Performer,
    TokensToToken,
    TokenTransformer,
)
from ean_search.utils.errors import UserError


def test_linear_attention_is_the_quadratic_one_of_its_kernel():
    torch.manual_seed(0)
    layer = Performer(10, 6).double()
    x = torch.randn(2, 5, 10, dtype=torch.double)
    key, query, value = layer.kqv(layer.norm1(x)).split(6, dim=-1)
    features = [
        torch.exp(z @ layer.w.T - z.square().sum(-1, keepdim=True) / 2) / math.sqrt(3)
        for z in (query, key)
    ]
    kernel = features[0] @ features[1].transpose(1, 2)  # (batch, queries, keys)
    attended = kernel @ value / (kernel.sum(-1, keepdim=True) + 1e-8)
    y = value + layer.proj(attended)
    torch.testing.assert_close(layer(x), y + layer.mlp(layer.norm2(y)))


def test_random_features_are_orthogonal_and_not_trained():
    layer = Performer(147, 64)
    expected = 32 * torch.eye(32)  # rows of length sqrt(32)
    torch.testing.assert_close(layer.w @ layer.w.T, expected, atol=1e-4, rtol=0)
    assert "w" in layer.state_dict()
    assert "w" not in dict(layer.named_parameters())


def test_fused_attention_gives_the_same_tokens():
    torch.manual_seed(0)
    layer = TokenTransformer(27, 8)
    x = torch.randn(2, 16, 27)
    assert layer.attn.fused_attn
    fused = layer(x)
    layer.attn.fused_attn = False
    torch.testing.assert_close(layer(x), fused)


@pytest.mark.parametrize("layer", ["performer", "transformer"])
def test_images_become_a_grid_of_tokens(layer):
    tokens = TokensToToken(32, 3, 16, layer=layer, width=8).eval()
    x = torch.randn(1, 3, 32, 32)
    assert tokens(x).shape == (1, 4, 16)
    assert tokens.dynamic_feat_size((32, 32)) == tokens.grid_size == (2, 2)
    assert np.prod(tokens.grid_size) == tokens.num_patches


@pytest.mark.parametrize("size", [40, (32, 48), 8])
def test_sizes_that_do_not_fit_the_folds_are_one_line(size):
    with pytest.raises(UserError, match=r"square images of a multiple of 16 px, not (40|32|8) x"):
        TokensToToken(size, 3, 16, layer="performer", width=8)


def test_images_of_another_size_are_one_line():
    tokens = TokensToToken(32, 3, 16, layer="performer", width=8)
    with pytest.raises(AssertionError, match="expected images of 32 x 32 px, see img_size"):
        tokens(torch.randn(1, 3, 48, 48))
