import pytest
import torch

from ean_search.attention.full_attention import FullAttention
from ean_search.utils.errors import UserError


def test_the_fused_form_equals_the_products():
    attention, x = FullAttention(64).eval(), torch.randn(2, 64, 5, 4)
    with torch.no_grad():
        fused = attention(x)
        attention.fused_attn = False
        assert torch.allclose(attention(x), fused, atol=1e-5)


def test_it_moves_with_its_positions():
    attention, x = FullAttention(32).eval(), torch.randn(1, 32, 4, 4)
    with torch.no_grad():
        assert torch.allclose(attention(x.flip(3)), attention(x).flip(3), atol=1e-5)


def test_channels_must_be_a_multiple_of_the_head_size():
    with pytest.raises(UserError, match="full: heads of 32 channels do not divide 48 channels"):
        FullAttention(48)
