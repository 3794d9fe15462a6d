import torch

from ean_search.attention.mrla_light import MRLALight


def test_it_equals_the_authors_code(load_parity, projection_weights):
    data = load_parity("mrla_light_a")
    mrla = MRLALight(64, head_size=int(data["dim_perhead"]))
    mrla.projections.load_state_dict(projection_weights(data, "w"))
    mrla.decay.data = data["lambda_t"].flatten()
    assert (mrla.attend(data["x"], data["prev"]) - data["y"]).abs().max() < 1e-5


def test_the_shortcut_is_weighed_channel_by_channel():
    mrla = MRLALight(64).eval()
    x, shortcut = torch.randn(2, 64, 5, 5), torch.randn(2, 64, 5, 5)
    with torch.no_grad():
        change = mrla.attend(x, 2 * shortcut) - mrla.attend(x, shortcut)
    assert torch.allclose(change, mrla.decay[:, None, None] * shortcut, atol=1e-5)
