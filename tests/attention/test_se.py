import torch

from ean_search.attention.registry import make_attention
from ean_search.attention.se import SE


def test_training_and_evaluation_compute_the_same():
    module, x = make_attention("se", 32, reduction=4), torch.randn(3, 32, 5, 5)
    assert torch.allclose(module.train()(x), module.eval()(x), atol=1e-6)


def test_the_inner_width_is_the_published_one():
    weights = SE(64, reduction=16).state_dict()
    assert weights["fc1.weight"].shape == (4, 64, 1, 1)  # timm alone would round up to 8
    assert weights["fc2.weight"].shape == (64, 4, 1, 1)
