"""What a training step is given and what it yields; `plain_step` is the simplest one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from ean_search.training.distillation import Lesson
from ean_search.training.optimization import Criterion


@dataclass(frozen=True)
class TrainingBatch:
    """A batch, or a piece of one, with all that a step needs beside the network.

    Attributes:
        images: The images, augmented and mixed as the recipe says.
        labels: Their labels, in the form that the step's task has.
        criterion: The loss of logits and labels.
        rng: For what the step draws; every piece of a batch gets the same draws.
        lesson: What a teacher says of the images; None: there is no teacher.
    """

    images: Tensor
    labels: Tensor
    criterion: Criterion
    rng: np.random.Generator
    lesson: Lesson | None = None

    def loss(self, logits: Tensor) -> Tensor:
        """Return the loss of the logits of the images."""
        loss = self.criterion(logits, self.labels)
        return loss if self.lesson is None else self.lesson.mix(loss, logits)


# A step yields losses. Each is propagated back before the next one is computed, so a step over
# several placements needs the memory of one.
Step = Callable[[nn.Module, TrainingBatch], Iterable[Tensor]]


def plain_step(network: nn.Module, batch: TrainingBatch) -> Iterable[Tensor]:
    """Yield the loss of one forward pass (the default of `TrainingContext.step`)."""
    yield batch.loss(network(batch.images))
