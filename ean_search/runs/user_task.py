"""What a user brings to a search over a module: its batches, loss and score; and their checks."""

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ean_search.core.score import Score
from ean_search.core.space import Space
from ean_search.evaluation.module_score import (
    Measurement,
    ScoreFunction,
    check_range,
    measure_score,
)
from ean_search.evaluation.norm_statistics import NormCalibration
from ean_search.networks.builder import build
from ean_search.networks.forward_check import check_forward
from ean_search.networks.live import LiveNetwork
from ean_search.training.fine_tune import (
    FineTuner,
    FineTuning,
    LossFunction,
    MakeOptimizer,
    check_loss,
)
from ean_search.utils.errors import UserError
from ean_search.utils.seeding import seeded

SMALLEST_REFERENCE = 1e-12


@dataclass(frozen=True)
class UserTask:
    """A module, and what is done with it.

    Attributes:
        live: The module and an example of what it takes.
        function: The score of a network.
        loader: The batches; None: nothing is trained.
        loss: The loss of a network on a batch; None: nothing is trained.
        make_optimizer: Makes an optimizer of what learns; None: the default.
    """

    live: LiveNetwork
    function: ScoreFunction
    loader: Iterable[Any] | None = None
    loss: LossFunction | None = None
    make_optimizer: MakeOptimizer | None = None

    def __post_init__(self) -> None:
        for name, value in (("score", self.function), ("optimizer", self.make_optimizer)):
            if value is not None and not callable(value):
                raise UserError(
                    f"{name}: expected a function, got {type(value).__name__}"
                    + "; such as lambda weights: torch.optim.SGD(weights, lr=0.01)"
                    * (name == "optimizer")
                )

    def settle(self, tuning: FineTuning, space: Space, epochs: int | None) -> FineTuning:
        """Return how the network is fine-tuned, with the number of epochs that is possible.

        Raises:
            UserError: If something must be trained, and there is no loader or no loss.
        """
        can_train = self.loader is not None and self.loss is not None
        if epochs is None:
            epochs = tuning.epochs if can_train else 0
        only_own = all(choice.name == "own" for choice in space.attention)
        if epochs and not can_train:
            raise UserError(f"{epochs} epochs of fine-tuning need both train=loader and loss=")
        if not epochs and not only_own:
            new = next(choice.name for choice in space.attention if choice.name != "own")
            raise UserError(
                f"{new!r} is new in the network and must be trained: give train=, loss= and epochs="
            )
        return tuning.model_copy(update={"epochs": epochs})

    def check(self, space: Space, tuning: FineTuning) -> None:
        """Check that the network of the space computes, and that its loss is one.

        Raises:
            UserError: One line that says what does not work.
        """
        network = build(space, seed=0).to(self.live.device)
        check_forward(network, space, self.live.example)
        if tuning.epochs and self.loader is not None and self.loss is not None:
            check_loss(network, self.loader, self.loss)

    def measure(self, score: Score) -> Measurement:
        """Score the module as it was given.

        Raises:
            UserError: If the score is not finite, or beyond its range.
        """
        found = measure_score(copy.deepcopy(self.live.module), self.function)
        if not math.isfinite(found.value):
            raise UserError(f"{score.name} of the network as it was given is {found.value}")
        check_range(score, found.value)
        return found

    def calibration(self, space: Space, tuning: FineTuning, seed: int) -> NormCalibration | None:
        """Return what sets the norm statistics of each placement; None: nothing has to."""
        count = tuning.batches_for_norms(space)
        if not count or self.loader is None or self.loss is None:
            return None
        with seeded(seed):
            return NormCalibration(list(islice(self.loader, count)), self.loss)

    def tuner(self, space: Space, tuning: FineTuning, **context: Any) -> FineTuner:
        """Return what fine-tunes a network of the space."""
        assert self.loader is not None
        assert self.loss is not None
        return FineTuner(space, tuning, self.loader, self.loss, self.make_optimizer, **context)


def reference_size(value: float) -> float:
    """Return the size by which scores without a range are divided; 1 if the first one is zero."""
    return abs(value) if abs(value) > SMALLEST_REFERENCE else 1.0
