"""Detection of the digits of embedded canvases with torchvision's Faster R-CNN; mean AP."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, box_iou

from ean_search.data.cluttered import NUM_CLASSES, ClutteredOptions
from ean_search.data.cluttered_scenes import load_scene_splits
from ean_search.data.splits import Split
from ean_search.retrain.transfer.fpn import PyramidBackbone
from ean_search.retrain.transfer.task import Task
from ean_search.training.recipe import Recipe
from ean_search.training.step import TrainingBatch

MIN_OVERLAP = 0.5  # intersection over union of a box that counts as right
ROI_PIXELS = 7  # of the height and width of a pooled region
BOX_FEATURES = 128  # of the head
EVAL_BATCH_SIZE = 32
RECIPE = Recipe(epochs=6, batch_size=16, lr=1e-3, weight_decay=1e-4, clip_grad=5.0)
PROPOSAL_COUNTS = {  # fewer than torchvision's, because a canvas has only a few digits
    "rpn_pre_nms_top_n_train": 200,
    "rpn_post_nms_top_n_train": 100,
    "rpn_pre_nms_top_n_test": 100,
    "rpn_post_nms_top_n_test": 50,
    "rpn_batch_size_per_image": 64,
    "box_batch_size_per_image": 64,
    "box_detections_per_img": 10,
}


def detect(*, train: int = 1000, test: int = 250, size: int = 64, seed: int = 0) -> Task:
    """Make the detection task.

    Args:
        train: The number of training canvases.
        test: The number of test canvases.
        size: Their height and width in pixels.
        seed: Of the canvases.
    """
    splits = load_scene_splits("boxes", ClutteredOptions(train=train, test=test), size, seed)
    metric, attach = f"mAP@{MIN_OVERLAP}", _attach(size)
    return Task(
        "detect", metric, *splits, attach=attach, step=_step, score=score_boxes, recipe=RECIPE
    )


def _attach(size: int) -> Callable[[nn.Module], nn.Module]:
    def attach(network: nn.Module) -> nn.Module:
        pyramid = PyramidBackbone(network)
        levels = len(pyramid.names)
        # Digits are a third to a half of the canvas; the finer the map, the smaller its anchors.
        sides = np.geomspace(size / 4, size * 0.6, levels).round().astype(int)
        aspect_ratios = ((0.5, 1.0, 2.0),) * levels
        detector: nn.Module = FasterRCNN(
            pyramid,
            rpn_anchor_generator=AnchorGenerator(tuple((int(s),) for s in sides), aspect_ratios),
            box_roi_pool=MultiScaleRoIAlign(pyramid.names, ROI_PIXELS, sampling_ratio=2),
            box_head=TwoMLPHead(pyramid.out_channels * ROI_PIXELS**2, BOX_FEATURES),
            box_predictor=FastRCNNPredictor(BOX_FEATURES, NUM_CLASSES + 1),
            min_size=size,
            max_size=size,
            image_mean=[0.0] * 3,
            image_std=[1.0] * 3,
            **PROPOSAL_COUNTS,
        )
        return detector

    return attach


def _step(network: nn.Module, batch: TrainingBatch) -> Iterable[Tensor]:
    """Yield the sum of the detector's losses; labels are (images, digits, 5)."""
    targets = [{"boxes": boxes[:, :4], "labels": boxes[:, 4].long()} for boxes in batch.labels]
    losses: dict[str, Tensor] = network(list(batch.images), targets)
    yield sum(losses.values(), start=batch.images.new_zeros(()))


@dataclass(frozen=True)
class Detection:
    """A box that the network found.

    Attributes:
        label: The class that the network gives it.
        confidence: How sure the network is, in [0, 1].
        right: Whether it is the best box of a digit of this class.
    """

    label: int
    confidence: float
    right: bool


def score_boxes(network: nn.Module, split: Split, device: str = "cpu") -> float:
    """Return the mean over classes of the average precision, in [0, 1].

    Args:
        network: A detector of torchvision's.
        split: Canvases, with the boxes of their digits (images, digits, 5) as labels.
        device: The device of the network.
    """
    network.eval()
    detections: list[Detection] = []
    counts = np.zeros(NUM_CLASSES + 1, dtype=int)  # of true boxes
    with torch.inference_mode():
        for images, labels in split.batches(EVAL_BATCH_SIZE, device=device):
            counts += np.bincount(labels[..., 4].long().flatten().cpu(), minlength=NUM_CLASSES + 1)
            for boxes, truth in zip(network(list(images)), labels, strict=True):
                on_cpu = {name: tensor.cpu() for name, tensor in boxes.items()}
                detections += match_boxes(on_cpu, truth.cpu())
    present = [label for label in range(1, NUM_CLASSES + 1) if counts[label]]
    precisions = [average_precision(detections, label, counts[label]) for label in present]
    return float(np.mean(precisions))


def match_boxes(boxes: dict[str, Tensor], truth: Tensor) -> list[Detection]:
    """Match the boxes of an image with its digits: the surest box first, each digit once.

    Args:
        boxes: `boxes` (count, 4), `labels` (count,) and `scores` (count,), as torchvision's
            detectors return them.
        truth: Left, top, right, bottom and class of each digit: (digits, 5).
    """
    overlaps = box_iou(boxes["boxes"], truth[:, :4])
    unmatched, detections = set(range(len(truth))), []
    for i in boxes["scores"].argsort(descending=True).tolist():
        label = int(boxes["labels"][i])
        fitting = [j for j in unmatched if truth[j, 4] == label and overlaps[i, j] >= MIN_OVERLAP]
        if fitting:
            unmatched.remove(max(fitting, key=lambda j: float(overlaps[i, j])))
        detections.append(Detection(label, float(boxes["scores"][i]), bool(fitting)))
    return detections


def average_precision(detections: list[Detection], label: int, count: int) -> float:
    """Return the area under the envelope of precision over recall.

    Args:
        detections: The detections of all images.
        label: The class to score.
        count: How many digits of this class there are.
    """
    of_class = [detection for detection in detections if detection.label == label]
    of_class.sort(key=lambda detection: -detection.confidence)
    right = np.array([detection.right for detection in of_class], dtype=bool)
    if not len(right):
        return 0.0
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[right].sum() / count)
