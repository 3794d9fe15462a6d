import torch

from ean_search.attention.dia import DIA


def test_it_equals_the_authors_code_along_a_stage(load_parity):
    data = load_parity("dia_a")
    dia = DIA(40, reduction=int(data["reduction"]))
    cells = {"input_cell": "w.w_ih.0.seq", "hidden_cell": "w.w_hh.0.seq"}
    weights = {
        key: data[key.replace(cell, authors_name)]
        for cell, authors_name in cells.items()
        for key in dia.state_dict()
        if key.startswith(cell)
    }
    dia.load_state_dict(weights)
    state = None
    for x, y in zip(data["x"], data["y"], strict=True):
        out, state = dia(x, state)
        assert (out - y).abs().max() < 1e-5


def test_the_state_changes_the_next_output():
    dia, x = DIA(40), torch.randn(2, 40, 4, 4)
    first, state = dia(x, None)
    second, _ = dia(x, state)
    assert not torch.equal(first, second)
