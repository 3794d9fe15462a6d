"""Gates at initialisation, plain and with a mean of 1."""

import pytest
import torch

from ean_search.attention.registry import make_attention
from ean_search.attention.unit_gate import UnitGate
from ean_search.testing.check_attention import apply


@pytest.mark.parametrize(("name", "gate"), [("se", 0.5), ("sge", 0.731), ("dia", 0.25)])
def test_a_unit_gate_has_a_mean_of_1(name, gate):
    torch.manual_seed(0)
    x = torch.randn(64, 256, 8, 8)
    plain, unit = (make_attention(name, 256, unit_gate=flag) for flag in (False, True))
    with torch.no_grad():
        assert float((apply(plain, (x,), None)[0] / x).mean()) == pytest.approx(gate, abs=0.03)
        assert float((apply(unit, (x,), None)[0] / x).mean()) == pytest.approx(1, abs=0.03)


def test_the_scale_is_stored_with_the_weights():
    unit = make_attention("se", 64, unit_gate=True)
    other = make_attention("se", 64, unit_gate=True)
    other.load_state_dict(unit.state_dict())
    x = torch.randn(2, 64, 4, 4)
    assert torch.equal(unit(x), other(x))
    assert any(isinstance(module, UnitGate) for module in unit.modules())
    assert "gate.scale" in unit.state_dict()


def test_the_scale_does_not_depend_on_the_random_state():
    scales = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        unit = make_attention("sge", 64, unit_gate=True)
        scales.append(unit.gate.scale)
    assert torch.equal(*scales)  # SGE has no random weights
