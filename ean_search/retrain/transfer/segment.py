"""Marking the digits of embedded canvases pixel by pixel with torchvision's heads; mean IoU."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.segmentation import FCN, DeepLabV3
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from ean_search.data.cluttered import CLASSES, Canvas
from ean_search.data.cluttered_scenes import load_scenes
from ean_search.data.splits import Split
from ean_search.retrain.transfer.fpn import PyramidBackbone
from ean_search.retrain.transfer.task import Task
from ean_search.training.recipe import Recipe
from ean_search.utils.errors import UserError, unknown_name

HEADS = {"fcn": (FCN, FCNHead), "deeplabv3": (DeepLabV3, DeepLabHead)}
RECIPE = Recipe(epochs=10, batch_size=16, lr=2e-3)


class Finest(nn.Module):
    """The finest map of a pyramid, under the name that torchvision's heads ask for."""

    def __init__(self, pyramid: PyramidBackbone):
        super().__init__()
        self.pyramid = pyramid

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        return OrderedDict(out=self.pyramid(images)[self.pyramid.names[0]])


def segment(
    head: str = "fcn", *, train: int = 1000, test: int = 250, size: int = 64, seed: int = 0
) -> Task:
    """Make the segmentation task, with one of torchvision's heads."""
    if head not in HEADS:
        raise unknown_name("segmentation head", head, HEADS)
    parts = load_scenes(Canvas(train=train, test=test), size, seed)
    splits = [part.split(part.masks) for part in parts]
    name = "segment" if head == "fcn" else f"segment-{head}"
    return Task(name, "mIoU", *splits, _attach(head), _step, score_masks, RECIPE)


def _attach(head: str) -> Any:
    whole, part = HEADS[head]

    def attach(network: nn.Module) -> nn.Module:
        pyramid = PyramidBackbone(network)
        return whole(Finest(pyramid), part(pyramid.out_channels, CLASSES + 1))

    return attach


def _step(
    network: nn.Module, images: Tensor, labels: Tensor, criterion: Any, _: Any
) -> Iterable[Tensor]:
    yield criterion(network(images)["out"], labels)


def score_masks(network: nn.Module, split: Split, device: str = "cpu") -> float:
    """Return the mean over classes, background included, of intersection over union."""
    network.eval()
    kinds = CLASSES + 1
    table = torch.zeros(kinds * kinds, dtype=torch.long, device=device)
    with torch.inference_mode():
        for images, masks in split.batches(64, device=device):
            guess = network(images)["out"].argmax(1)
            table += torch.bincount((masks * kinds + guess).flatten(), minlength=kinds * kinds)
    table = table.view(kinds, kinds).double()
    both, either = table.diag(), table.sum(0) + table.sum(1) - table.diag()
    if not either.any():
        raise UserError("there is nothing to score")
    return float((both[either > 0] / either[either > 0]).mean())
