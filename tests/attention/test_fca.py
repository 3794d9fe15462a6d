import numpy as np
import pytest
import torch
from scipy.fft import dctn

from ean_search.attention.fca import FCA
from ean_search.testing.check_attention import check_attention
from ean_search.utils.errors import UserError

# By the sum of the two, then by the vertical one.
LOWEST = [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0), (0, 3), (1, 2), (2, 1), (3, 0)]
LOWEST += [(0, 4), (1, 3), (2, 2), (3, 1), (4, 0), (0, 5)]


@pytest.mark.parametrize("side", [7, 14])
def test_every_group_of_channels_sees_one_component_of_the_cosine_transform(side):
    torch.manual_seed(0)
    fca = FCA(32, reduction=4).double()
    x = torch.randn(2, 32, side, side, dtype=torch.double)
    grid = x.numpy().reshape(2, 32, 7, side // 7, 7, side // 7).mean((3, 5))
    transformed = dctn(grid, axes=(2, 3), norm="ortho")
    squeezed = np.stack([transformed[(slice(None), c, *LOWEST[c // 2])] for c in range(32)], axis=1)
    first, second = (m.weight[:, :, 0, 0].detach().numpy() for m in (fca.squeeze, fca.excite))
    logits = np.maximum(squeezed @ first.T, 0) @ second.T
    expected = x.numpy() / (1 + np.exp(-logits))[:, :, None, None]
    np.testing.assert_allclose(fca(x).detach().numpy(), expected, rtol=1e-6)


def test_with_the_lowest_frequency_alone_it_sees_the_means():
    torch.manual_seed(0)
    fca = FCA(8, reduction=2, frequencies=1)
    x = torch.randn(3, 8, 7, 7)
    shuffled = x.flatten(2)[:, :, torch.randperm(49)].view_as(x)
    assert torch.allclose(fca(x) / x, fca(shuffled) / shuffled, atol=1e-5)


def test_the_contract_holds_with_the_parameters_of_two_layers(assert_finite, count_parameters):
    check_attention("fca")
    check_attention("fca", channels=24)  # 16 groups of one or two channels
    assert_finite(FCA(64))
    assert count_parameters("fca", 64) == 2 * 64 * 64 // 16 == 512
    assert count_parameters("fca", 256) == 8192


def test_the_basis_is_no_weight():
    assert list(FCA(64).state_dict()) == ["squeeze.weight", "excite.weight"]
    with pytest.raises(UserError, match="expected 1 to 49 frequencies, got 50"):
        FCA(64, frequencies=50)
