import torch

from ean_search.attention.sge import SGE


def test_it_equals_the_authors_code(load_parity):
    data = load_parity("sge_a")
    sge = SGE(64, groups=int(data["groups"]))
    sge.load_state_dict({"weight": data["w.weight"], "bias": data["w.bias"]})
    assert (sge(data["x"]) - data["y"]).abs().max() < 1e-5


def test_on_one_position_the_gate_is_the_bias_alone():
    x = torch.randn(2, 64, 1, 1)
    assert torch.allclose(SGE(64)(x), x * torch.sigmoid(torch.ones(())))
