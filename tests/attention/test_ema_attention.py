import numpy as np
import pytest
import torch

from ean_search.attention.ema_attention import EMAAttention
from ean_search.testing.check_attention import check_attention
from ean_search.utils.errors import UserError


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def gate_of_group(group, weights):
    """Compute the gate of one group of channels (channels, height, width) with NumPy loops."""
    channels, height, width = group.shape
    kernel, bias = weights["lines.weight"][:, :, 0, 0], weights["lines.bias"]
    rows = sigmoid(kernel @ group.mean(2) + bias[:, None])
    columns = sigmoid(kernel @ group.mean(1) + bias[:, None])
    fine = group * rows[:, :, None] * columns[:, None, :]
    mean, var = fine.mean((1, 2), keepdims=True), fine.var((1, 2), keepdims=True)
    fine = (fine - mean) / np.sqrt(var + 1e-5)
    fine = fine * weights["norm.weight"][:, None, None] + weights["norm.bias"][:, None, None]
    padded = np.pad(group, ((0, 0), (1, 1), (1, 1)))
    coarse = np.empty_like(group)
    for row in range(height):
        for column in range(width):
            window = padded[:, row : row + 3, column : column + 3]
            coarse[:, row, column] = np.einsum("ocij,cij->o", weights["local.weight"], window)
    coarse += weights["local.bias"][:, None, None]
    scores = np.zeros((height, width))
    for channel in range(channels):
        scores += softmax(fine.mean((1, 2)))[channel] * coarse[channel]
        scores += softmax(coarse.mean((1, 2)))[channel] * fine[channel]
    return sigmoid(scores)


def test_two_views_of_a_group_gate_each_other():
    torch.manual_seed(0)
    ema = EMAAttention(12, groups=3).double()
    ema.norm.weight.data.normal_()
    ema.norm.bias.data.normal_()
    weights = {name: tensor.numpy() for name, tensor in ema.state_dict().items()}
    x = torch.randn(2, 12, 5, 4, dtype=torch.double)
    expected = np.empty(x.shape)
    for image in range(2):
        for start in (0, 4, 8):
            group = x[image, start : start + 4].numpy()
            expected[image, start : start + 4] = group * gate_of_group(group, weights)
    np.testing.assert_allclose(ema(x).detach().numpy(), expected, rtol=1e-9)


def test_the_contract_holds_with_the_parameters_of_one_group(assert_finite, count_parameters):
    check_attention("ema_attention")
    check_attention("ema_attention", groups=32)
    assert_finite(EMAAttention(64))
    size = 64 // 8
    assert count_parameters("ema_attention", 64) == 10 * size**2 + 4 * size == 672
    assert count_parameters("ema_attention", 256, groups=32) == 672


def test_groups_must_divide_the_channels():
    with pytest.raises(UserError, match="8 groups do not divide 60 channels"):
        EMAAttention(60)
