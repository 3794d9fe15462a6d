"""Scores placements of any network by a function of the user's own, with shared weights."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ean_search.core.score import Score
from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.evaluation.failures import trial_failure_reason
from ean_search.evaluation.norm_statistics import NormCalibration
from ean_search.networks.builder import place
from ean_search.utils.errors import UserError, describe_crash
from ean_search.utils.seeding import derive_seed, seeded

ScoreFunction = Callable[[nn.Module], Any]
SCORE_SEED = 1  # every placement is scored under the same draws

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measurement:
    """What a score function gave.

    Attributes:
        value: The score; of several values, their mean.
        error: The standard error of the mean; None of a single value.
        seconds: The time that it took.
    """

    value: float
    error: float | None
    seconds: float


def measure_score(network: nn.Module, function: ScoreFunction, seed: int = 0) -> Measurement:
    """Score a network in evaluation mode.

    Args:
        network: The network.
        function: Gives one number; or several, one for each image or part of the data.
        seed: Of the global generators meanwhile.

    Raises:
        UserError: If the function fails, or gives no numbers.
    """
    start = time.perf_counter()
    with seeded(derive_seed(seed, SCORE_SEED)), torch.no_grad():
        try:
            given = function(network.eval())
        except Exception as error:  # of anybody's function
            if trial_failure_reason(error) is not None or isinstance(error, UserError):
                raise
            raise UserError(f"score(model) failed: {describe_crash(error)}") from error
    values = _read_numbers(given)
    spread = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None
    return Measurement(float(values.mean()), spread, time.perf_counter() - start)


def _read_numbers(given: Any) -> np.ndarray:
    """Read a score, or several, as an array of floats."""
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    try:
        values = np.atleast_1d(np.asarray(given, dtype=float))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"score(model) gave {type(given).__name__}; expected a number, or one for each image"
        ) from error
    if values.ndim != 1 or not len(values):
        raise UserError(f"score(model) gave numbers of shape {values.shape}; expected one axis")
    return values


@dataclass(frozen=True)
class ModuleEvaluator:
    """Scores placements one after another, all with the weights of one network.

    Attributes:
        network: A network with slots.
        function: The user's score.
        score: Its name, direction and range.
        device: The device of the network.
        seed: Of the global generators while a placement is scored.
        calibration: Sets the norm statistics of each placement first; None: they stay.
    """

    network: nn.Module
    function: ScoreFunction
    score: Score
    device: str = "cpu"
    seed: int = 0
    calibration: NormCalibration | None = None

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield the result of each placement, in their order.

        Raises:
            UserError: If a score is beyond its range.
        """
        for placement in placements:
            yield self._measure(placement)

    def _measure(self, placement: Placement) -> EvaluationResult:
        start = time.perf_counter()
        try:
            network = place(self.network, placement)
            if self.calibration is not None:
                self.calibration.apply(network)
            found = measure_score(network, self.function, self.seed)
        except Exception as error:
            reason = trial_failure_reason(error)
            if reason is None:
                raise
            return EvaluationResult(None, time.perf_counter() - start, reason)
        if not math.isfinite(found.value):
            return EvaluationResult(None, found.seconds, f"its {self.score.name} is {found.value}")
        check_range(self.score, found.value)
        return EvaluationResult(
            accuracy=self.score.worth(found.value),
            seconds=time.perf_counter() - start,
            standard_error=None if found.error is None else self.score.worth_size(found.error),
        )


def check_range(score: Score, value: float) -> None:
    """Refuse a value that is beyond the range of its score."""
    if not score.holds(value):
        raise UserError(
            f"{score.name} is {value:g}, beyond the range {score.low:g} to {score.high:g} that was "
            "stated"
        )
