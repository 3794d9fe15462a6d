"""Which images a placement classified rightly: one bit an image, in the order of the split."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from ean_search.utils.errors import UserError, shorten

MAX_IMAGES = 10**9  # of a split


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one placement to the first images of a split.

    Attributes:
        images: The number of images it saw; all of them, unless racing stopped it.
        packed: Whether it was right on each of them, as bits in base64.
    """

    images: int
    packed: str

    @classmethod
    def of(cls, right: np.ndarray) -> "Answers":
        """Pack answers.

        Args:
            right: Whether the placement was right on each image, (images,).
        """
        return cls(len(right), base64.b64encode(np.packbits(right).tobytes()).decode())

    @classmethod
    def from_fields(cls, fields: Any) -> "Answers":
        """Check the fields that a file has, and return the answers.

        Raises:
            UserError: If they are no answers.
        """
        images, packed = (fields.get(name) for name in ("images", "packed"))
        if not isinstance(images, int) or not 0 < images <= MAX_IMAGES:
            raise UserError(f"images: expected a number of images, got {shorten(images)}")
        try:
            length = len(base64.b64decode(packed, validate=True))
        except (TypeError, ValueError):
            length = -1
        if length != -(-images // 8):
            raise UserError(f"packed: expected {images} bits in base64, got {shorten(packed)}")
        return cls(images, packed)

    @property
    def right(self) -> np.ndarray:
        """Whether the placement was right on each image, (images,)."""
        packed = np.frombuffer(base64.b64decode(self.packed), dtype=np.uint8)
        return np.unpackbits(packed, count=self.images).astype(bool)

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return int(self.right.sum()) / self.images
