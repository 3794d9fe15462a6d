import torch

from ean_search.attention.mrla_base import MRLABase, MRLAWrite


def test_it_equals_the_authors_code_along_a_stage(load_parity, projection_weights):
    data, state = load_parity("mrla_base_a"), None
    for site, (x, y) in enumerate(zip(data["x"], data["y"], strict=True)):
        mrla = MRLABase(64, head_size=int(data["dim_perhead"]))
        mrla.projections.load_state_dict(projection_weights(data, f"w{site}"))
        out, state = mrla.attend(x, state)
        assert (out - y).abs().max() < 1e-5


def test_a_writing_site_passes_its_key_and_value_on_and_the_map_unchanged():
    base, write = MRLABase(64).eval(), MRLAWrite(64).eval()
    write.projections.load_state_dict(base.projections.state_dict())
    x = torch.randn(2, 64, 5, 5)
    with torch.no_grad():
        y, state = write(x, x, None)
        _, expected = base(x, x, None)
        assert y is x
        assert all(torch.equal(a, b) for a, b in zip(state, expected, strict=True))
        _, (keys, values) = write(x, x, state)
    assert keys.shape[1] == values.shape[1] == 2
