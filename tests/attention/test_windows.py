"""Windows against Swin's own."""

import pytest
import torch
from timm.models.swin_transformer import window_partition

from ean_search.attention.windows import Windows
from ean_search.networks.builder import build, slots
from ean_search.utils.errors import UserError
from tests.helpers import load_small


@pytest.mark.parametrize("shift", [(0, 0), (2, 3)])
def test_windows_are_joined_to_the_map_they_were_cut_from(shift):
    x = torch.randn(2, 8, 16, 5)
    shifted = torch.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
    windows = window_partition(shifted, (4, 8)).flatten(1, 2)
    assert torch.equal(Windows((8, 16, 4, 8, *shift)).to_map(windows), x)


def test_the_mask_is_the_one_of_swin():
    space = load_small("swin_tiny_broad")
    network = build(space)
    block = network.layers[0].blocks[1]
    partition = next(s.site for s in slots(network) if "blocks.1" in s.site.module_path).partition
    ours = Windows(partition).mask[:, 0] == 0
    own = block.inner.attn_mask if hasattr(block, "inner") else block.attn_mask
    assert torch.equal(ours, own == 0)


def test_only_a_shifted_partition_masks_logits():
    logits = torch.zeros(2 * 4, 3, 4, 4)  # two images, four windows, three heads
    assert Windows((4, 4, 2, 2, 0, 0)).mask_logits(logits) is logits
    masked = Windows((4, 4, 2, 2, 1, 1)).mask_logits(logits)
    assert masked.isinf().any()
    assert bool((masked.diagonal(dim1=2, dim2=3) == 0).all())  # a position is its own neighbour
    assert torch.equal(masked[:4], masked[4:])


def test_windows_must_divide_the_map():
    with pytest.raises(UserError, match=r"windows of \(7, 7\) do not divide a map of \(8, 8\)"):
        Windows((8, 8, 7, 7, 0, 0))
