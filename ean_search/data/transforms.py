"""How training images are varied, for data of image files: timm's transforms, named by a recipe.

Data held as tensors brings its own augmentation and decodes nothing: of what a recipe may ask
for, it can do random erasing, and says so about the rest.
"""

import copy
from collections.abc import Callable
from typing import Any

from pydantic import Field, field_validator
from timm.data import create_transform
from timm.data.random_erasing import RandomErasing

from ean_search.data.file_splits import LoaderSplit, StreamSplit
from ean_search.data.splits import Batches, Seed, Split, TensorSplit, WrappedSplit
from ean_search.utils.config import FrozenConfig
from ean_search.utils.errors import UserError
from ean_search.utils.seeding import derive_seed, seeded


class Augment(FrozenConfig):
    """What is done to training images beyond the random crop and mirror that all get."""

    auto: str | None = None  # timm's text form of RandAugment and others: rand-m9-mstd0.5-inc1
    color_jitter: float | None = Field(default=None, ge=0)  # not used beside `auto`
    erase: float = Field(default=0.0, ge=0, le=1)  # chance that a rectangle becomes noise
    min_area: float = Field(default=0.08, gt=0, le=1)  # of the image, that a random crop keeps

    @field_validator("auto")
    @classmethod
    def _known(cls, text: str | None) -> str | None:
        try:
            create_transform(32, is_training=True, auto_augment=text)
        except Exception as error:  # asserted, looked up or read as a number, as it comes
            raise UserError(f"expected a form like rand-m9-mstd0.5-inc1 ({error})") from error
        return text


def make_transform(size: int, *, training: bool, augment: Augment | None = None) -> Any:
    """Make the transforms of ImageNet; 256 and 224 stay in proportion at other sizes."""
    chosen = augment or Augment()
    return create_transform(
        size,
        is_training=training,
        scale=(chosen.min_area, 1.0),
        auto_augment=chosen.auto,
        color_jitter=chosen.color_jitter,
        re_prob=chosen.erase,
        re_mode="pixel",
        crop_pct=224 / 256,
    )


def augmented(split: Split, augment: Augment) -> Split:
    """Return a split whose training batches are augmented; its evaluation stays as it is."""
    if augment == Augment():
        return split
    changed = copy.copy(split)
    if isinstance(split, LoaderSplit):
        changed.train = make_transform(split.size, training=True, augment=augment)
        return changed
    if isinstance(split, StreamSplit):
        transform = make_transform(split.size, training=True, augment=augment)
        changed.opener = _opener(split.opener, transform)
        return changed
    if isinstance(split, TensorSplit) and augment == Augment(erase=augment.erase):
        return _Erased(split, augment.erase)
    raise UserError(
        "augment.auto, color_jitter and min_area are for data in image files; this data is held "
        "as tensors and brings its own augmentation: only augment.erase, mixup and cutmix apply"
    )


def _opener(opener: Callable[[Seed | None], Any], transform: Any) -> Callable[[Seed | None], Any]:
    def opened(shuffle: Seed | None) -> Any:
        stream = opener(shuffle)
        if shuffle is not None:
            stream.transform = transform
        return stream

    return opened


class _Erased(WrappedSplit):
    """A split of tensors whose training images lose a random rectangle now and then."""

    def __init__(self, split: Split, chance: float):
        super().__init__(split)
        self.chance = chance

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        batches = self.split.batches(batch_size, shuffle=shuffle, device=device)
        if shuffle is None:
            yield from batches
            return
        erase = RandomErasing(self.chance, mode="pixel", device=device)
        for number, (images, labels) in enumerate(batches):
            with seeded(derive_seed(*shuffle, number)):
                erased = erase(images)
            yield erased, labels
