"""Finding the digits of embedded canvases with torchvision's Faster R-CNN; scored by mean AP."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, box_iou

from ean_search.data.cluttered import CLASSES, Canvas
from ean_search.data.cluttered_scenes import load_scenes
from ean_search.data.splits import Split
from ean_search.retrain.transfer.fpn import PyramidBackbone
from ean_search.retrain.transfer.task import Task
from ean_search.training.recipe import Recipe

OVERLAP = 0.5  # intersection over union that makes a box the right one
RECIPE = Recipe(epochs=6, batch_size=16, lr=1e-3, weight_decay=1e-4, clip_grad=5.0)
FEW = {  # proposals: a canvas has a handful of things on it
    "rpn_pre_nms_top_n_train": 200,
    "rpn_post_nms_top_n_train": 100,
    "rpn_pre_nms_top_n_test": 100,
    "rpn_post_nms_top_n_test": 50,
    "rpn_batch_size_per_image": 64,
    "box_batch_size_per_image": 64,
    "box_detections_per_img": 10,
}


def detect(*, train: int = 1000, test: int = 250, size: int = 64, seed: int = 0) -> Task:
    """Make the detection task."""
    parts = load_scenes(Canvas(train=train, test=test), size, seed)
    splits = [part.split(part.boxes) for part in parts]
    return Task("detect", f"mAP@{OVERLAP}", *splits, _attach(size), _step, score_boxes, RECIPE)


def _attach(size: int) -> Any:
    def attach(network: nn.Module) -> nn.Module:
        pyramid = PyramidBackbone(network)
        levels = len(pyramid.names)
        # Digits are a third to a half of the canvas; the finer the map, the smaller its anchors.
        sides = np.geomspace(size / 4, size * 0.6, levels).round().astype(int)
        shapes = ((0.5, 1.0, 2.0),) * levels
        return FasterRCNN(
            pyramid,
            rpn_anchor_generator=AnchorGenerator(tuple((int(s),) for s in sides), shapes),
            box_roi_pool=MultiScaleRoIAlign(pyramid.names, 7, 2),
            box_head=TwoMLPHead(pyramid.out_channels * 7 * 7, 128),
            box_predictor=FastRCNNPredictor(128, CLASSES + 1),
            **{"min_size": size, "max_size": size, "image_mean": [0.0] * 3, "image_std": [1.0] * 3},
            **FEW,
        )

    return attach


def _step(
    network: nn.Module, images: Tensor, labels: Tensor, criterion: Any, _: Any
) -> Iterable[Tensor]:
    targets = [{"boxes": rows[:, :4], "labels": rows[:, 4].long()} for rows in labels]
    yield sum(network(list(images), targets).values())


def score_boxes(network: nn.Module, split: Split, device: str = "cpu") -> float:
    """Return the mean over classes of average precision."""
    network.eval()
    hits: list[tuple[int, float, bool]] = []  # class, confidence, right
    counts = np.zeros(CLASSES + 1, dtype=int)
    with torch.inference_mode():
        for images, labels in split.batches(32, device=device):
            counts += np.bincount(labels[..., 4].long().flatten().cpu(), minlength=CLASSES + 1)
            for found, truth in zip(network(list(images)), labels, strict=True):
                hits += _match({name: part.cpu() for name, part in found.items()}, truth.cpu())
    there = [label for label in range(1, CLASSES + 1) if counts[label]]
    return float(np.mean([_precision(hits, label, counts[label]) for label in there]))


def _match(found: dict[str, Tensor], truth: Tensor) -> list[tuple[int, float, bool]]:
    """Tell which boxes are right: the surest first, each true box once."""
    overlap = box_iou(found["boxes"], truth[:, :4])
    free, hits = set(range(len(truth))), []
    for i in found["scores"].argsort(descending=True).tolist():
        label = int(found["labels"][i])
        fitting = [j for j in free if truth[j, 4] == label and overlap[i, j] >= OVERLAP]
        if fitting:
            free.remove(max(fitting, key=lambda j: float(overlap[i, j])))
        hits.append((label, float(found["scores"][i]), bool(fitting)))
    return hits


def _precision(hits: list[tuple[int, float, bool]], label: int, count: int) -> float:
    """Return the area under the envelope of precision over recall."""
    mine = sorted((hit for hit in hits if hit[0] == label), key=lambda hit: -hit[1])
    right = np.cumsum([hit[2] for hit in mine])
    if not len(right):
        return 0.0
    precision = right / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[[hit[2] for hit in mine]].sum() / count)
