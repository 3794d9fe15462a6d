import torch

from ean_search.attention.simam import SimAM
from ean_search.testing.check_attention import check_attention


def test_it_is_the_papers_energy_element_by_element():
    x = torch.randn(2, 3, 5, 4, dtype=torch.double)
    y = SimAM(3)(x)
    for image in range(2):
        for channel in range(3):
            values = x[image, channel].flatten()
            variance = values.var()  # unbiased
            for position, value in enumerate(values):
                energy = (value - values.mean()) ** 2 / (4 * (variance + 1e-4)) + 0.5
                expected = value / (1 + torch.exp(-energy))
                torch.testing.assert_close(y[image, channel].flatten()[position], expected)


def test_what_stands_out_is_scaled_most():
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 3.0
    gate = SimAM(1)(x + 1) / (x + 1)
    assert gate.argmax() == 12
    one = torch.tensor([[[[2.0]]]])
    assert torch.allclose(SimAM(1)(one), one * torch.sigmoid(torch.tensor(0.5)))


def test_the_contract_holds_and_nothing_is_learnt(assert_finite, count_parameters):
    check_attention("simam")
    assert_finite(SimAM(64))
    assert count_parameters("simam", 64) == 0
