import pytest
import torch

from ean_search.attention.asr import ASR
from ean_search.attention.registry import make_attention
from ean_search.testing.check_attention import check_attention
from ean_search.utils.errors import UserError

GATES = ["se", "eca", "spa", "srm", "fca"]


@pytest.mark.parametrize("gate", GATES)
def test_the_gate_is_that_of_the_learnt_vector(gate):
    torch.manual_seed(0)
    asr = make_attention("asr", 64, gate=gate).eval()
    asr.psi.data.uniform_(0.5, 2)
    with torch.no_grad():
        scaled = asr.gate.attention(asr.psi)  # the vector times its own gate
        factors = (scaled / asr.psi).flatten()
    x = torch.randn(2, 64, 5, 3)
    torch.testing.assert_close(asr(x), torch.einsum("bchw,c->bchw", x, factors))
    torch.testing.assert_close(asr.constant_factor(), factors)


@pytest.mark.parametrize("gate", GATES)
def test_the_contract_holds(gate, assert_finite):
    check_attention("asr", gate=gate)
    assert_finite(ASR(64, gate))


def test_it_has_the_parameters_of_its_gate_and_a_vector(count_parameters):
    assert count_parameters("asr", 64) == count_parameters("se", 64) + 64
    reduced = count_parameters("asr", 64, gate="se", reduction=4)
    assert reduced == count_parameters("se", 64, reduction=4) + 64
    assert torch.equal(ASR(8).psi.flatten(), torch.full((8,), 0.1))


def test_the_vector_and_its_gate_learn():
    asr = ASR(32)
    asr(torch.randn(2, 32, 4, 4)).square().sum().backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in (asr.psi, asr.gate.attention.fc2.weight))


def test_unit_gates_start_at_a_mean_of_one():
    asr = make_attention("asr", 64, unit_gate=True)
    assert asr.constant_factor().mean() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("gate", ["sge", "cbam", "dia", "depthwise", "simam"])
def test_gates_that_are_none_of_channels_are_refused(gate):
    with pytest.raises(UserError, match=f"asr: {gate} has no single gate|asr: .*{gate}"):
        ASR(64, gate)
