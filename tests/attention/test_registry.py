"""The contract of every attention, and the written ones against the authors' own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ean_search.attention.dia import DIA
from ean_search.attention.mrla_base import MRLABase
from ean_search.attention.mrla_light import MRLALight
from ean_search.attention.registry import (
    ATTENTIONS,
    find_attention,
    make_attention,
    make_attention_for_site,
)
from ean_search.attention.sge import SGE
from ean_search.attention.unit_gate import UnitGate
from ean_search.testing.check_attention import apply, example_site
from ean_search.utils.errors import UserError

PARITY = Path(__file__).parents[1] / "parity"
GATED = [*ATTENTIONS, "ese", "eca", "ceca", "gc", "cbam", "coord", "ela"]


def made(name, size, images=3):
    """Return an attention and what comes by at a site for it."""
    site = example_site(find_attention(name).positions[0], 64, size)
    return make_attention_for_site(site, name), site.example(images)


def load_parity(name):
    arrays = np.load(PARITY / f"{name}.npz")
    return {key: torch.from_numpy(arrays[key]) for key in arrays}


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("size", [7, 1])
def test_maps_keep_their_shape_and_gradients_are_finite(name, size):
    attention, inputs = made(name, size)
    x = inputs[0].requires_grad_()
    y, _ = apply(attention.train(), inputs, None)
    y.sum().backward()
    assert y.shape == x.shape
    assert y.isfinite().all()
    assert x.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in attention.parameters())


@pytest.mark.parametrize("name", GATED)
def test_images_of_a_batch_do_not_mix(name):
    attention, inputs = made(name, 5)
    second = tuple(x[1:2] for x in inputs)
    with torch.no_grad():
        together, alone = (apply(attention.eval(), xs, None)[0] for xs in (inputs, second))
    assert torch.allclose(together[1:2], alone, atol=1e-6)


def test_sge_equals_the_authors():
    data = load_parity("sge_a")
    sge = SGE(64, groups=int(data["groups"]))
    sge.load_state_dict({"weight": data["w.weight"], "bias": data["w.bias"]})
    assert (sge(data["x"]) - data["y"]).abs().max() < 1e-5


def weights_of(data, prefix):
    names = {"query.weight": "Wq", "key.weight": "Wk", "value.weight": "Wv"}
    return {mine: data[f"{prefix}.{theirs}.weight"] for mine, theirs in names.items()}


def test_mrla_light_equals_the_authors():
    data = load_parity("mrla_light_a")
    mrla = MRLALight(64, head_size=int(data["dim_perhead"]))
    mrla.projections.load_state_dict(weights_of(data, "w"))
    mrla.decay.data = data["lambda_t"].flatten()
    assert (mrla.attend(data["x"], data["prev"]) - data["y"]).abs().max() < 1e-5


def test_mrla_base_equals_the_authors_along_a_stage():
    data, state = load_parity("mrla_base_a"), None
    for site, (x, y) in enumerate(zip(data["x"], data["y"], strict=True)):
        mrla = MRLABase(64, head_size=int(data["dim_perhead"]))
        mrla.projections.load_state_dict(weights_of(data, f"w{site}"))
        out, state = mrla.attend(x, state)
        assert (out - y).abs().max() < 1e-5


def test_dia_equals_the_authors_along_a_stage():
    data = load_parity("dia_a")
    dia = DIA(40, reduction=int(data["reduction"]))
    cells = {"input_cell": "w.w_ih.0.seq", "hidden_cell": "w.w_hh.0.seq"}
    weights = {
        key: data[key.replace(cell, theirs)]
        for cell, theirs in cells.items()
        for key in dia.state_dict()
        if key.startswith(cell)
    }
    dia.load_state_dict(weights)
    state = None
    for x, y in zip(data["x"], data["y"], strict=True):
        out, state = dia(x, state)
        assert (out - y).abs().max() < 1e-5


def test_sge_on_one_position_is_its_bias_alone():
    x = torch.randn(2, 64, 1, 1)
    assert torch.allclose(SGE(64)(x), x * torch.sigmoid(torch.ones(())))


@pytest.mark.parametrize(("name", "gate"), [("se", 0.5), ("sge", 0.731), ("dia", 0.25)])
def test_gates_at_initialisation(name, gate):
    torch.manual_seed(0)
    x = torch.randn(64, 256, 8, 8)
    plain, unit = (make_attention(name, 256, unit_gate=flag) for flag in (False, True))
    with torch.no_grad():
        assert float((apply(plain, (x,), None)[0] / x).mean()) == pytest.approx(gate, abs=0.03)
        assert float((apply(unit, (x,), None)[0] / x).mean()) == pytest.approx(1, abs=0.03)


def test_a_unit_gates_scale_travels_with_the_weights():
    unit = make_attention("se", 64, unit_gate=True)
    other = make_attention("se", 64, unit_gate=True)
    other.load_state_dict(unit.state_dict())
    x = torch.randn(2, 64, 4, 4)
    assert torch.equal(unit(x), other(x))
    assert any(isinstance(module, UnitGate) for module in unit.modules())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("see", {}, "unknown attention 'see'; did you mean 'se'"),
        ("se", {"groups": 3}, "attention 'se' cannot be built with {'groups': 3}"),
        ("sge", {"groups": 7}, "sge: 7 groups do not divide 64 channels"),
        ("nl", {"unit_gate": True}, "'nl' has no submodule `gate`"),
    ],
)
def test_what_cannot_be_built_says_why(name, options, words):
    with pytest.raises(UserError, match=words):
        make_attention(name, 64, **options)


def test_se_computes_the_same_when_it_trains():
    module, x = make_attention("se", 32, reduction=4), torch.randn(3, 32, 5, 5)
    assert torch.allclose(module.train()(x), module.eval()(x), atol=1e-6)
