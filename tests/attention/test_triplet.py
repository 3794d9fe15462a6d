import pytest
import torch
from torch.nn import functional as F

from ean_search.attention.triplet import Triplet
from ean_search.testing.check_attention import check_attention
from ean_search.utils.errors import UserError


def test_it_is_the_mean_of_three_rotated_maps():
    torch.manual_seed(0)
    triplet = Triplet(6).double().eval()
    for plane in triplet.planes:
        plane.norm.running_mean.normal_()
        plane.norm.bias.data.normal_()
    x = torch.randn(2, 6, 5, 4, dtype=torch.double)
    total = torch.zeros_like(x)
    # The axis that is pooled comes first, the plane follows; then the map is turned back.
    for number, order in enumerate([(0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2)]):
        turned = x.permute(order)
        pooled = torch.cat([turned.max(1, keepdim=True)[0], turned.mean(1, keepdim=True)], 1)
        scores = F.conv2d(pooled, triplet.scores[number].weight, padding=3)
        logits = triplet.planes[number].norm(scores)
        back = [order.index(axis) for axis in range(4)]
        total += (turned * torch.sigmoid(logits)).permute(back)
    torch.testing.assert_close(triplet(x), total / 3)


def test_the_contract_holds_with_three_hundred_parameters(assert_finite, count_parameters):
    check_attention("triplet")
    assert_finite(Triplet(64))
    assert count_parameters("triplet", 64) == count_parameters("triplet", 256) == 3 * (2 * 49 + 2)
    assert count_parameters("triplet", 64, kernel=3) == 3 * (2 * 9 + 2)


def test_an_even_kernel_has_no_centre():
    with pytest.raises(UserError, match="triplet: expected an odd kernel, got 4"):
        Triplet(8, kernel=4)
