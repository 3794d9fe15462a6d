"""Costs, evaluation results and trials, as values; a trial is stored as one line of JSON."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from ean_search.core.space import Placement, Space
from ean_search.utils.errors import UserError, unknown_name

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
        accuracy: In [0, 1]; None if the evaluation failed.
        seconds: The time that the evaluation took.
        note: Why the evaluation failed, or anything else to record with the trial.
        stopped: Whether racing stopped the evaluation before all images were used.
        standard_error: The standard error of the accuracy, independent of other placements'; None
            if it is not known.
    """

    accuracy: float | None
    seconds: float
    note: str = ""
    stopped: bool = False
    standard_error: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluated placement: its accuracy, reward and cost.

    Attributes:
        number: Trials are numbered from 0 in the order of the log; -1 if it is not in the log.
        step: The search step that proposed it, from 1; 0 for the named placements of every run.
        placement: The placement.
        status: `done`; `failed`; `infeasible` if it breaks a limit; `stopped` if racing dropped it.
        accuracy: In [0, 1]; None if it was not evaluated or the evaluation failed.
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

    def to_fields(self) -> dict[str, Any]:
        """Return the trial as plain values by field; its cost is a mapping, too."""
        values = asdict(self) | {"placement": str(self.placement)}
        if self.standard_error is None:
            del values["standard_error"]
        return values

    def to_json(self) -> str:
        """Return the trial as one line of JSON."""
        return json.dumps(self.to_fields())

    @classmethod
    def from_json(cls, line: str, space: Space) -> "Trial":
        """Read a trial from its line of JSON.

        Args:
            line: The line, as `to_json` returns it.
            space: The space of the placement.

        Raises:
            UserError: If the line is no trial of this space.
        """
        try:
            values = json.loads(line)
            cost = Cost(**values.pop("cost"))
            return cls(placement=space.parse(values.pop("placement")), cost=cost, **values)
        except (TypeError, KeyError, AttributeError, json.JSONDecodeError) as error:
            raise UserError(f"not a trial: {error}") from error
