"""Detection: the matching of boxes, the average precision, and the score of a detector."""

import pytest
import torch
from torch import nn

from ean_search.data.splits import TensorSplit
from ean_search.retrain.transfer.detect import average_precision, match_boxes, score_boxes
from ean_search.training.step import TrainingBatch

TRUTH = torch.tensor([[0.0, 0, 10, 10, 3], [20, 20, 30, 30, 4]])
BOXES = {
    "boxes": torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30]]),
    "labels": torch.tensor([3, 3, 5]),
    "scores": torch.tensor([0.9, 0.8, 0.7]),
}


class FixedDetector(nn.Module):
    """Gives the same boxes for every image."""

    def __init__(self, boxes):
        super().__init__()
        self.boxes = boxes

    def forward(self, images):
        return [self.boxes for _ in images]


def test_a_true_box_is_matched_once_by_the_surest_box():
    detections = match_boxes(BOXES, TRUTH)
    assert [(d.label, d.right) for d in detections] == [(3, True), (3, False), (5, False)]
    assert [d.confidence for d in detections] == pytest.approx([0.9, 0.8, 0.7])
    assert average_precision(detections, 3, 1) == 1.0
    assert average_precision(detections, 3, 2) == 0.5
    assert average_precision(detections, 4, 1) == 0.0


def test_a_box_that_overlaps_by_less_than_half_is_wrong():
    boxes = {
        "boxes": torch.tensor([[0.0, 0, 10, 4], [20, 20, 30, 26]]),
        "labels": torch.tensor([3, 4]),
        "scores": torch.tensor([0.9, 0.8]),
    }
    assert [d.right for d in match_boxes(boxes, TRUTH)] == [False, True]


def test_the_score_is_the_mean_over_the_classes_that_occur():
    split = TensorSplit(torch.zeros(2, 3, 32, 32), TRUTH.expand(2, -1, -1))
    right = {"boxes": TRUTH[:, :4], "labels": TRUTH[:, 4].long(), "scores": torch.ones(2)}
    assert score_boxes(FixedDetector(right), split) == 1
    # Class 3 is found, class 4 is not.
    assert score_boxes(FixedDetector(BOXES), split) == 0.5


def test_the_detector_is_trained_by_the_sum_of_its_losses(make_short_task, tiny_network):
    task = make_short_task("detect")
    detector = task.attach(tiny_network)
    images, labels = next(iter(task.train.batches(2)))
    (loss,) = task.step(detector.train(), TrainingBatch(images, labels, None, None))
    assert loss.shape == ()
    loss.backward()
    assert any(p.grad is not None for p in tiny_network.parameters())
    assert 0 <= task.score(detector, task.test, "cpu") <= 1
