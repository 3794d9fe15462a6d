import torch

from ean_search.attention.srm import SRM
from ean_search.core.space import load_space
from ean_search.networks.builder import build, slots
from ean_search.networks.sites import probe
from ean_search.testing.check_attention import check_attention


def test_each_channel_sees_its_own_mean_and_deviation():
    torch.manual_seed(0)
    srm = SRM(6).double().eval()
    srm.norm.running_mean.normal_()
    srm.norm.running_var.uniform_(0.5, 2)
    srm.norm.weight.data.normal_()
    srm.norm.bias.data.normal_()
    x = torch.randn(2, 6, 5, 3, dtype=torch.double)
    weight = srm.style.weight[:, 0]  # (channels, 2)
    values = x.flatten(2)
    style = weight[:, 0] * values.mean(2) + weight[:, 1] * (values.std(2) ** 2 + 1e-5) ** 0.5
    scaled = (style - srm.norm.running_mean) / (srm.norm.running_var + srm.norm.eps).sqrt()
    logits = scaled * srm.norm.weight + srm.norm.bias
    expected = torch.einsum("bc,bchw->bchw", 1 / (1 + torch.exp(-logits)), x)
    torch.testing.assert_close(srm(x), expected)


def test_the_contract_holds_with_four_parameters_a_channel(assert_finite, count_parameters):
    check_attention("srm")
    assert_finite(SRM(64))
    assert count_parameters("srm", 64) == 4 * 64  # 2 of the layer, 2 of the norm
    assert count_parameters("srm", 256) == 1024


def test_sites_share_the_layer_and_have_norms_of_their_own():
    found = slots(build(probe(load_space("resnet18_shared", attention="srm", image_size=64))))
    first, second = (slot.attentions[0] for slot in found[:2])
    assert first.style is second.style
    assert first.norm is not second.norm
