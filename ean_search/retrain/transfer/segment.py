"""Segmentation of the digits of embedded canvases with torchvision's heads; mean IoU."""

from collections import OrderedDict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torchvision.models.segmentation import FCN, DeepLabV3
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from ean_search.data.cluttered import NUM_CLASSES, ClutteredOptions
from ean_search.data.cluttered_scenes import load_scene_splits
from ean_search.data.splits import Split
from ean_search.retrain.transfer.fpn import PyramidBackbone
from ean_search.retrain.transfer.task import Task
from ean_search.training.recipe import Recipe
from ean_search.training.step import TrainingBatch
from ean_search.utils.errors import UserError, unknown_name

HEADS = {"fcn": (FCN, FCNHead), "deeplabv3": (DeepLabV3, DeepLabHead)}  # network, head
EVAL_BATCH_SIZE = 64
RECIPE = Recipe(epochs=10, batch_size=16, lr=2e-3)


class FinestMap(nn.Module):
    """The finest map of a pyramid, under the name that torchvision's heads ask for."""

    def __init__(self, pyramid: PyramidBackbone):
        """Wrap a pyramid."""
        super().__init__()
        self.pyramid = pyramid

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Return the finest map as "out"."""
        return OrderedDict(out=self.pyramid(images)[self.pyramid.names[0]])


def segment(
    head: str = "fcn", *, train: int = 1000, test: int = 250, size: int = 64, seed: int = 0
) -> Task:
    """Make the segmentation task.

    Args:
        head: A key of HEADS.
        train: The number of training canvases.
        test: The number of test canvases.
        size: Their height and width in pixels.
        seed: Of the canvases.
    """
    if head not in HEADS:
        raise unknown_name("segmentation head", head, HEADS)
    splits = load_scene_splits("masks", ClutteredOptions(train=train, test=test), size, seed)
    name, attach = "segment" if head == "fcn" else f"segment-{head}", _attach(head)
    return Task(name, "mIoU", *splits, attach=attach, step=_step, score=score_masks, recipe=RECIPE)


def _attach(head: str) -> Callable[[nn.Module], nn.Module]:
    make_network, make_head = HEADS[head]

    def attach(network: nn.Module) -> nn.Module:
        pyramid = PyramidBackbone(network)
        classifier = make_head(pyramid.out_channels, NUM_CLASSES + 1)
        segmenter: nn.Module = make_network(FinestMap(pyramid), classifier)
        return segmenter

    return attach


def _step(network: nn.Module, batch: TrainingBatch) -> Iterable[Tensor]:
    """Yield the loss of all pixels; labels are (images, height, width)."""
    yield batch.loss(network(batch.images)["out"])


def score_masks(network: nn.Module, split: Split, device: str = "cpu") -> float:
    """Return the mean over classes, background included, of intersection over union.

    Args:
        network: A segmentation network of torchvision's.
        split: Canvases, with masks (images, height, width) as labels.
        device: The device of the network.

    Raises:
        UserError: If the split has no images.
    """
    network.eval()
    num_labels = NUM_CLASSES + 1
    table = torch.zeros(num_labels**2, dtype=torch.long, device=device)
    with torch.inference_mode():
        for images, masks in split.batches(EVAL_BATCH_SIZE, device=device):
            answers = network(images)["out"].argmax(1)
            pairs = (masks * num_labels + answers).flatten()
            table += torch.bincount(pairs, minlength=num_labels**2)
    table = table.view(num_labels, num_labels).double()  # true labels in rows, answers in columns
    intersection = table.diag()
    union = table.sum(0) + table.sum(1) - intersection
    if not union.any():
        raise UserError("there is nothing to score")
    return float((intersection[union > 0] / union[union > 0]).mean())
