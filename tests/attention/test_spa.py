import torch

from ean_search.attention.spa import SPA


def test_the_gate_depends_on_where_values_lie():
    spa = SPA(32).eval()
    x = torch.randn(1, 32, 8, 8)
    moved = torch.roll(x, shifts=4, dims=3)  # the means of the whole map stay the same
    with torch.no_grad():
        gates = [(spa(m) / m).mean((2, 3)) for m in (x, moved)]
    assert not torch.allclose(*gates, atol=1e-5)


def test_each_channel_has_one_gate_between_0_and_1():
    x = torch.rand(2, 32, 8, 8) + 0.5
    gate = SPA(32)(x) / x
    assert torch.allclose(gate, gate[:, :, :1, :1].expand_as(gate), atol=1e-6)
    assert bool(((gate > 0) & (gate < 1)).all())
