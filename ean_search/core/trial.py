"""Costs, evaluation results and trials, as values; a trial is stored as one line of JSON."""

import json
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args

from ean_search.core.answers import Answers
from ean_search.core.score import ACCURACY, Score
from ean_search.core.space import Placement, Space
from ean_search.utils.errors import UserError, first_line, shorten, unknown_name

WORTH = "worth"  # the field of a trial whose score is not its worth
MAX_NUMBER = 1e300  # of any quantity that is stored
Status = Literal["done", "failed", "infeasible", "stopped"]  # stopped: dropped early by racing


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of the whole network with one placement.

    Attributes:
        sites: The number of sites with attention.
        params: The number of parameters.
        macs: Multiply-accumulate operations of convolutions, linear layers and matrix products.
        flops: fvcore's total, which adds norms and pooling to the macs.
        latency_ms: The time of one batch, on the device of the run.
        activation_bytes: The outputs of the backbone's layers, and a map for each site with
            attention; for one image, in float32.
    """

    sites: int
    params: int
    macs: int
    flops: int
    latency_ms: float
    activation_bytes: int

    def on(self, axis: str) -> float:
        """Return the cost on one axis, a field's name, `latency` or `activations`."""
        value: float = getattr(self, axis_field(axis))
        return value


AXES = {f.name: f.name for f in fields(Cost)} | {
    "latency": "latency_ms",
    "activations": "activation_bytes",
}


def axis_field(axis: str) -> str:
    """Return the field of `Cost` that an axis name stands for."""
    if axis not in AXES:
        raise unknown_name("cost axis", axis, AXES)
    return AXES[axis]


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """The result of evaluating one placement.

    Attributes:
        accuracy: In [0, 1], or the worth of another score; None if the evaluation failed.
        seconds: The time that the evaluation took.
        note: Why the evaluation failed, or anything else to record with the trial.
        stopped: Whether racing stopped the evaluation before all images were used.
        standard_error: The standard error of the accuracy, independent of other placements'; None
            if it is not known.
        answers: The answers that the accuracy is the mean of; None if it is not a mean of answers.
    """

    accuracy: float | None
    seconds: float
    note: str = ""
    stopped: bool = False
    standard_error: float | None = None
    answers: Answers | None = None

    def to_row(self) -> list[Any]:
        """Return the fields as plain values, in their order."""
        answers = self.answers and [self.answers.images, self.answers.packed]
        return [self.accuracy, self.seconds, self.note, self.stopped, self.standard_error, answers]

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "EvaluationResult":
        """Return the result of the fields that `to_row` gave."""
        accuracy, seconds, note, stopped, error, answers = row
        packed = answers and Answers(*answers)
        return cls(accuracy, seconds, note, stopped, error, packed)


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluated placement: its accuracy, reward and cost.

    Attributes:
        number: Trials are numbered from 0 in the order of the log; -1 if it is not in the log.
        step: The search step that proposed it, from 1; 0 for the named placements of every run.
        placement: The placement.
        status: `done`; `failed`; `infeasible` if it breaks a limit; `stopped` if racing dropped it.
        accuracy: In [0, 1], or the worth of another score; None if it was not evaluated or the
            evaluation failed.
        reward: The value to maximise; the penalty if the trial failed or is infeasible.
        cost: The cost of the placement.
        seconds: The time that the evaluation took.
        note: Why the evaluation failed, or the name of a named placement.
        standard_error: The standard error of the accuracy; None if it is not known.
    """

    number: int
    step: int
    placement: Placement
    status: Status
    accuracy: float | None
    reward: float
    cost: Cost
    seconds: float
    note: str = ""
    standard_error: float | None = None

    def to_fields(self, score: Score = ACCURACY) -> dict[str, Any]:
        """Return the trial as plain values by field; its cost is a mapping, too.

        Args:
            score: What was measured. Its value stands under its own name; where that is not its
                worth, the worth stands beside it, because it could not be computed back to the bit.
        """
        values = asdict(self) | {"placement": str(self.placement)}
        if self.standard_error is None:
            del values["standard_error"]
        if score.name != ACCURACY.name or not score.is_worth:
            values = {score.name if k == ACCURACY.name else k: v for k, v in values.items()}
        if not score.is_worth:
            worth = self.accuracy
            values |= {score.name: None if worth is None else score.value(worth), WORTH: worth}
        return values

    def to_json(self, score: Score = ACCURACY) -> str:
        """Return the trial as one line of JSON; the score is that of `to_fields`."""
        return json.dumps(self.to_fields(score))

    @classmethod
    def from_json(cls, line: str, space: Space, score: Score = ACCURACY) -> "Trial":
        """Read a trial from its line of JSON.

        Args:
            line: The line, as `to_json` returns it.
            space: The space of the placement.
            score: What was measured.

        Raises:
            UserError: If the line is no trial of this space.
        """
        try:
            values = dict(json.loads(line))
            placement, cost = values.pop("placement", None), values.pop("cost", None)
            _expect("placement", placement, isinstance(placement, str), "text")
            _expect("cost", cost, isinstance(cost, dict), "an object")
            whole_cost = _make("cost", Cost, cost)
            values |= {"placement": space.parse(placement), "cost": whole_cost}
            if score.name in values and (score.is_worth or WORTH in values):
                value = values.pop(score.name)
                values[ACCURACY.name] = value if score.is_worth else values.pop(WORTH)
            trial: Trial = _make("trial", cls, values)
        except (TypeError, ValueError, RecursionError) as error:
            raise UserError(f"not a trial: {first_line(error)}") from error
        _check(trial, score)
        return trial


def _make(what: str, kind: type, values: dict[str, Any]) -> Any:
    """Make a value of its fields; the message says which are missing or unknown."""
    known = {f.name: f for f in fields(kind)}
    needed = {name for name, f in known.items() if f.default is MISSING}
    for names, problem in (
        (needed - set(values), "missing"),
        (set(values) - set(known), "unknown"),
    ):
        if names:
            raise UserError(f"{what}: the field {shorten(min(names))} is {problem}")
    return kind(**values)


def _check(trial: Trial, score: Score) -> None:
    """Refuse values that no search writes; the message names the field."""
    costs = {f"cost.{f.name}": getattr(trial.cost, f.name) for f in fields(Cost)}
    for name, value in costs.items():
        _expect(
            name, value, is_finite_number(value, whole=not name.endswith("_ms")), "a finite number"
        )
    _expect("number", trial.number, is_finite_number(trial.number, whole=True), "a whole number")
    _expect("step", trial.step, is_finite_number(trial.step, whole=True), "a whole number")
    _expect("status", trial.status, trial.status in get_args(Status), "a status")
    is_worth = is_finite_number(trial.accuracy) and (
        score.low is None or 0 <= (trial.accuracy or 0) <= 1
    )
    known = is_worth or (trial.accuracy is None and trial.status != "done")
    expected = "a finite number" if score.low is None else "a number from 0 to 1"
    _expect(score.name if score.is_worth else WORTH, trial.accuracy, known, expected)
    _expect("reward", trial.reward, is_finite_number(trial.reward), "a finite number")
    _expect("seconds", trial.seconds, is_finite_number(trial.seconds), "a finite number")
    _expect("note", trial.note, isinstance(trial.note, str), "text")
    attached = trial.placement.attached
    _expect("cost.sites", trial.cost.sites, trial.cost.sites == attached, f"{attached}")


def is_finite_number(value: Any, whole: bool = False) -> bool:
    """Say whether a value that was read is a number, and neither infinite nor NaN."""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return abs(value) <= MAX_NUMBER  # NaN is not


def _expect(field: str, value: Any, holds: bool, what: str) -> None:
    if not holds:
        raise UserError(f"{field}: expected {what}, got {shorten(value)}")
