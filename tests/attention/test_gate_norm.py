import pytest
import torch
from torch import nn

from ean_search.attention.gate_norm import GateNorm


def test_it_is_a_batch_norm_where_there_is_a_batch():
    ours, plain = GateNorm(3), nn.BatchNorm2d(3)
    x = torch.randn(4, 3, 2, 2)
    assert torch.equal(ours(x), plain(x))
    assert torch.equal(ours.running_var, plain.running_var)
    assert torch.equal(ours.eval()(x), plain.eval()(x))


def test_single_values_are_normalised_by_running_statistics():
    norm = GateNorm(3)
    norm.running_mean.fill_(1.0)
    norm.running_var.fill_(4.0)
    x = torch.tensor([3.0, 1.0, 5.0]).view(1, 3, 1, 1)
    assert torch.allclose(norm(x).flatten(), torch.tensor([1.0, 0.0, 2.0]), atol=1e-5)
    assert norm.running_mean[0] == 1.0
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm2d(3)(x)
