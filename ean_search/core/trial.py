"""What a placement costs and how well it did, as values with a one-line JSON form."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Literal

from ean_search.core.space import Placement, Space
from ean_search.utils.errors import UserError, unknown_name

Status = Literal["done", "failed", "infeasible", "stopped"]  # the last: it lost a race


@dataclass(frozen=True, slots=True)
class Cost:
    """The price of one placement, network included."""

    sites: int  # how many carry an attention
    params: int
    macs: int  # convolutions, linear layers and matrix products
    flops: int  # fvcore's total: macs, and norms and pooling as it counts them
    latency_ms: float  # of one batch, on the device at hand
    activation_bytes: int  # elements the attachments read and write, one image in float32

    def on(self, axis: str) -> float:
        """Return one axis by its name, `latency` and `activations` included."""
        return getattr(self, axis_field(axis))


AXES = {f.name: f.name for f in fields(Cost)} | {
    "latency": "latency_ms",
    "activations": "activation_bytes",
}


def axis_field(axis: str) -> str:
    """Return the field of Cost that an axis name stands for."""
    if axis not in AXES:
        raise unknown_name("cost axis", axis, AXES)
    return AXES[axis]


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What evaluating one placement gave: an accuracy in [0, 1], or none and the reason."""

    accuracy: float | None
    seconds: float
    note: str = ""
    stopped: bool = False  # before all images were seen


@dataclass(frozen=True, slots=True)
class Trial:
    """One placement, its accuracy and its price."""

    number: int
    step: int  # the searcher's step; 0 for the placements every run begins with
    placement: Placement
    status: Status
    accuracy: float | None
    reward: float
    cost: Cost
    seconds: float
    note: str = ""

    def to_json(self) -> str:
        """Write the trial as one line."""
        return json.dumps(asdict(self) | {"placement": str(self.placement)})

    @classmethod
    def from_json(cls, line: str, space: Space) -> "Trial":
        """Read a trial back from its line."""
        try:
            values = json.loads(line)
            cost = Cost(**values.pop("cost"))
            return cls(placement=space.parse(values.pop("placement")), cost=cost, **values)
        except (TypeError, KeyError, AttributeError, json.JSONDecodeError) as error:
            raise UserError(f"not a trial: {error}") from error
