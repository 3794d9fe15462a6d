"""A trained network teaches another one: its softened logits become a part of the loss."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ean_search.training.recipe import Recipe
from ean_search.utils.errors import UserError


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of a batch.

    Attributes:
        logits: Its logits, (images, classes).
        weight: Its share of the loss, from 0 to 1.
        temperature: What logits are divided by before they are compared.
    """

    logits: Tensor
    weight: float
    temperature: float

    def mix(self, loss: Tensor, logits: Tensor) -> Tensor:
        """Mix the divergence from the teacher into a loss.

        Args:
            loss: That of the labels.
            logits: Those of the pupil.
        """
        softened = F.log_softmax(logits / self.temperature, 1)
        target = F.log_softmax(self.logits / self.temperature, 1)
        divergence = F.kl_div(softened, target, log_target=True, reduction="batchmean")
        # Gradients of softened logits shrink with the square of the temperature.
        return (1 - self.weight) * loss + self.weight * self.temperature**2 * divergence


def check_teacher(there_is_one: bool, recipe: Recipe) -> None:
    """Refuse a recipe that distils where there is no pretrained network to learn from.

    Raises:
        UserError: If so.
    """
    if recipe.distil and not there_is_one:
        raise UserError(
            "distil needs a pretrained network to learn from: `run --pretrained`, and `retrain` of "
            "such a run, have one"
        )


def make_teacher(
    network: nn.Module | None, recipe: Recipe, device: str
) -> Callable[[Tensor], Lesson | None]:
    """Return the function that asks a teacher about images.

    Args:
        network: The teacher; it is moved to the device, and put into evaluation mode.
        recipe: Says how much the teacher counts; where it counts nothing, it is not asked, and the
            function returns None.
        device: Where the images are.

    Raises:
        UserError: If the recipe distils, and there is no teacher.
    """
    if not recipe.distil:
        return lambda images: None
    check_teacher(network is not None, recipe)
    assert network is not None, "checked right above"
    teacher = network.to(device).eval()

    def ask(images: Tensor) -> Lesson:
        with torch.no_grad():
            return Lesson(teacher(images), recipe.distil, recipe.distil_temperature)

    return ask
