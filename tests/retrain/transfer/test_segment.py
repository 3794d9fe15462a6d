"""Segmentation: torchvision's heads fit, and the score is the mean of IoUs."""

import pytest
import torch
from torch import nn

from ean_search.core.space import load_space
from ean_search.data.splits import TensorSplit
from ean_search.networks.builder import build, prune
from ean_search.retrain.transfer.segment import score_masks
from ean_search.utils.errors import UserError


class FixedAnswer(nn.Module):
    """Gives the same mask (height, width) for every image."""

    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, images):
        logits = nn.functional.one_hot(self.mask, 11).permute(2, 0, 1).float()
        return {"out": logits.expand(len(images), -1, -1, -1)}


@pytest.mark.parametrize(
    ("name", "folder"),
    [("segment", "segment"), ("segment:deeplabv3", "segment-deeplabv3")],
)
def test_the_heads_answer_for_each_pixel(make_short_task, name, folder):
    task, space = make_short_task(name), load_space("tiny")
    network = task.attach(prune(build(space), space.named["all"])).eval()
    assert network(torch.zeros(2, 3, 48, 48))["out"].shape == (2, 11, 48, 48)
    assert task.name == folder


def test_the_score_is_the_mean_over_the_classes_that_occur():
    truth = torch.tensor([[0, 0, 1, 1]])
    answer = torch.tensor([[0, 1, 1, 2]])
    split = TensorSplit(torch.zeros(1, 3, 1, 4), truth[None])
    # Class 0: 1 of 2 pixels; class 1: 1 of 3; class 2: 0 of 1; the others do not occur.
    assert score_masks(FixedAnswer(answer), split) == pytest.approx((1 / 2 + 1 / 3 + 0) / 3)
    assert score_masks(FixedAnswer(truth), split) == 1


def test_an_empty_split_cannot_be_scored():
    split = TensorSplit(torch.zeros(0, 3, 1, 4), torch.zeros(0, 1, 4, dtype=torch.long))
    with pytest.raises(UserError, match="nothing to score"):
        score_masks(FixedAnswer(torch.zeros(1, 4, dtype=torch.long)), split)
