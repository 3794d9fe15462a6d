"""Augmentation of training images, as a recipe asks for it.

Images in files get timm's transforms. Data that is held as tensors has its own augmentation: of
what a recipe may ask for, random erasing can be added to it, and the rest is refused.
"""

from typing import Any

from PIL import Image
from pydantic import Field, field_validator
from timm.data.auto_augment import posterize
from timm.data.random_erasing import RandomErasing
from timm.data.transforms_factory import create_transform

from ean_search.data.file_splits import LoaderSplit, Stream, StreamOpener, StreamSplit, Transform
from ean_search.data.splits import Batches, BatchShare, Seed, Split, TensorSplit, WrappedSplit
from ean_search.utils.config import FrozenConfig
from ean_search.utils.errors import UserError
from ean_search.utils.seeding import derive_seed, seeded


class Augment(FrozenConfig):
    """Augmentation beyond the random crop and flip that all training images get."""

    auto: str | None = None  # timm's text form of RandAugment and others: rand-m9-mstd0.5-inc1
    color_jitter: float | None = Field(default=None, ge=0)  # not used together with `auto`
    erase: float = Field(default=0.0, ge=0, le=1)  # probability that a rectangle becomes noise
    min_area: float = Field(default=0.08, gt=0, le=1)  # of the image, that a random crop keeps

    @field_validator("auto")
    @classmethod
    def _check_auto(cls, text: str | None) -> str | None:
        try:
            create_transform(32, is_training=True, auto_augment=text)
        except Exception as error:  # timm's parser raises errors of many kinds
            raise UserError(f"expected a form like rand-m9-mstd0.5-inc1 ({error})") from error
        return text


def make_transform(size: int, *, training: bool, augment: Augment | None = None) -> Transform:
    """Make the transform of ImageNet.

    Args:
        size: Height and width of the result. An evaluation scales and crops in the proportion of
            256 to 224 pixels at every size.
        training: Whether to crop and flip at random, and to augment.
        augment: The augmentation of training images.
    """
    chosen = augment or Augment()
    transform = create_transform(
        size,
        is_training=training,
        scale=(chosen.min_area, 1.0),
        auto_augment=chosen.auto,
        color_jitter=chosen.color_jitter,  # type: ignore[arg-type]  # None: no jitter
        re_prob=chosen.erase,
        re_mode="pixel",
        crop_pct=224 / 256,
    )
    _replace_posterize(transform)
    return transform


def _replace_posterize(transform: Any) -> None:
    """Let timm's automatic augmentation posterize with 0 bits, which Pillow 13 refuses."""
    for part in transform.transforms:
        policies = getattr(part, "policy", [getattr(part, "ops", [])])  # AutoAugment, or others
        for operation in (operation for policy in policies for operation in policy):
            if operation.aug_fn is posterize:
                operation.aug_fn = _posterize


def _posterize(image: Image.Image, bits: int, **options: Any) -> Image.Image:
    """Keep some bits of each channel; an image with 0 bits is black."""
    return posterize(image, bits, **options) if bits else Image.new(image.mode, image.size)


def augmented(split: Split, augment: Augment) -> Split:
    """Return a split whose training batches are augmented; its evaluation stays as it is.

    Args:
        split: The split; it is not changed.
        augment: The augmentation.

    Raises:
        UserError: If the data is held as tensors and the augmentation is for image files.
    """
    if augment == Augment():
        return split
    if isinstance(split, BatchShare):
        return augmented(split.split, augment).share(split.rank, split.world_size)
    if isinstance(split, LoaderSplit):
        transform = make_transform(split.size, training=True, augment=augment)
        return split.with_training_transform(transform)
    if isinstance(split, StreamSplit):
        transform = make_transform(split.size, training=True, augment=augment)
        return split.with_opener(_with_training_transform(split.opener, transform))
    if isinstance(split, TensorSplit) and augment == Augment(erase=augment.erase):
        return _ErasedSplit(split, augment.erase)
    raise UserError(
        "augment.auto, color_jitter and min_area are for data in image files; this data is held "
        "as tensors and brings its own augmentation: only augment.erase, mixup and cutmix apply"
    )


def _with_training_transform(opener: StreamOpener, transform: Transform) -> StreamOpener:
    def opened(shuffle: Seed | None) -> Stream:
        stream: Any = opener(shuffle)
        if shuffle is not None:
            stream.transform = transform
        return stream

    return opened


class _ErasedSplit(WrappedSplit):
    """A split of tensors in which random rectangles of training images become noise."""

    def __init__(self, split: Split, probability: float):
        super().__init__(split)
        self.probability = probability

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        batches = self.split.batches(batch_size, shuffle=shuffle, device=device)
        if shuffle is None:
            yield from batches
            return
        erase = RandomErasing(self.probability, mode="pixel", device=device)
        for number, (images, labels) in enumerate(batches):
            with seeded(derive_seed(*shuffle, number)):
                erased = erase(images)
            yield erased, labels
