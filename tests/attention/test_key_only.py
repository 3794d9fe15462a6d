import pytest
import torch

from ean_search.attention.key_only import KeyOnly
from ean_search.utils.errors import UserError


def test_a_distant_position_changes_all_others():
    attention, x = KeyOnly(64).eval(), torch.randn(1, 64, 9, 9)
    changed = x.clone()
    changed[..., 0, 0] += 1
    with torch.no_grad():
        difference = (attention(changed) - attention(x)).abs().amax(1)
    assert bool((difference > 0).all())


@pytest.mark.parametrize(("options", "heads"), [({}, 2), ({"head_size": 16}, 4), ({"heads": 8}, 8)])
def test_each_head_has_a_saliency(options, heads):
    assert KeyOnly(64, **options).saliency.out_channels == heads


def test_channels_must_be_a_multiple_of_the_heads():
    with pytest.raises(UserError, match="key_only: 7 heads do not divide 64 channels"):
        KeyOnly(64, heads=7)
