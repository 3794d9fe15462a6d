"""What placements cost: a table of what every site adds, and the sum of it in microseconds.

The table is measured elsewhere (`measure.py`), once a space, size and device. A shared module is
paid for once, by the first site of its group that uses it; everything else adds up over sites.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from ean_search.files import save_json
from ean_search.lookup import UserError
from ean_search.space import Placement
from ean_search.trial import Cost


@dataclass(frozen=True)
class Attachment:
    """What one attention adds at one site."""

    group: int  # the module it uses; sites of one group share it
    params: int  # of that module
    replaced_params: int  # of the backbone's own module there, which it replaces
    macs: int
    flops: int
    latency_ms: float
    activation_bytes: int


@dataclass(frozen=True)
class CostTable:
    """The plain backbone's cost and what each choice adds at each site."""

    plain: Cost
    attachments: tuple[tuple[Attachment, ...], ...]  # a row a site, an entry a choice from 1 on
    image_size: int
    batch_size: int
    hardware: str

    def price(self, placement: Placement) -> Cost:
        """Sum up what a placement costs."""
        known = self._known.get(placement)
        return known or self._known.setdefault(placement, self._sum(placement))

    @cached_property
    def _known(self) -> dict[Placement, Cost]:
        return {}

    def _sum(self, placement: Placement) -> Cost:
        rows = zip(self.attachments, placement.choices, strict=True)
        used = [row[choice - 1] for row, choice in rows if choice]
        modules = {a.group: a.params for a in used}
        return Cost(
            sites=len(used),
            params=self.plain.params + sum(modules.values()) - sum(a.replaced_params for a in used),
            macs=self.plain.macs + sum(a.macs for a in used),
            flops=self.plain.flops + sum(a.flops for a in used),
            latency_ms=round(self.plain.latency_ms + sum(a.latency_ms for a in used), 6),
            activation_bytes=self.plain.activation_bytes + sum(a.activation_bytes for a in used),
        )

    def save(self, path: Path) -> None:
        """Write the table as JSON."""
        save_json(asdict(self), path)

    @classmethod
    def load(cls, path: Path) -> "CostTable":
        """Read a table back."""
        try:
            values = json.loads(path.read_text())
            rows = values.pop("attachments")
            attachments = tuple(tuple(Attachment(**entry) for entry in row) for row in rows)
            return cls(plain=Cost(**values.pop("plain")), attachments=attachments, **values)
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path} is not a cost table: {error}") from error
