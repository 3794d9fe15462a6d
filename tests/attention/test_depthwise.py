import torch

from ean_search.attention.depthwise import Depthwise


def test_it_adds_its_convolution_channel_by_channel():
    attention, x = Depthwise(8).eval(), torch.randn(2, 8, 5, 5)
    changed = x.clone()
    changed[:, 3] += 1
    with torch.no_grad():
        difference = (attention(changed) - attention(x)).abs().amax((0, 2, 3))
    assert difference.nonzero().flatten().tolist() == [3]


def test_without_a_norm_weight_it_is_the_identity():
    attention, x = Depthwise(8).eval(), torch.randn(2, 8, 5, 5)
    torch.nn.init.zeros_(attention.branch.norm.weight)
    assert torch.equal(attention(x), x)
