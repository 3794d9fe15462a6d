"""What placements cost: a table of what every site adds, and the sum of it in microseconds.

The table is measured elsewhere (`measure.py`), once a space, size and device. What a group of sites
shares is paid for once; everything else adds up over sites. What a stateful attention counts may
depend on how many of its chain came before.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from ean_search.core.space import Placement
from ean_search.core.trial import Cost
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_json


@dataclass(frozen=True)
class Attachment:
    """What one attention adds at one site."""

    group: int  # sites of one group share parameters
    params: int  # that it shares with its group
    replaced_params: int  # of the backbone's own module there, which it replaces
    macs: int
    flops: int
    latency_ms: float
    activation_bytes: int
    own_params: int = 0
    chain: int = -1  # of sites that hand a state on
    writes_only: bool = False  # for later sites of the chain: nothing if none of them reads
    later: tuple[tuple[int, int], ...] = ()  # macs and flops as the second of its chain, third, ...

    def counts(self, before: int) -> tuple[int, int]:
        """Return macs and flops after so many attachments of the chain."""
        return self.later[before - 1] if before and self.later else (self.macs, self.flops)


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
        used = _without_unread([row[choice - 1] for row, choice in rows if choice])
        shared = {a.group: a.params for a in used}
        own = sum(a.own_params - a.replaced_params for a in used)
        macs, flops = self.plain.macs, self.plain.flops
        before: dict[int, int] = {}
        for a in used:
            counts = a.counts(before.get(a.chain, 0))
            before[a.chain] = before.get(a.chain, 0) + 1
            macs, flops = macs + counts[0], flops + counts[1]
        return Cost(
            sites=placement.attached,
            params=self.plain.params + sum(shared.values()) + own,
            macs=macs,
            flops=flops,
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
            attachments = tuple(tuple(_read(entry) for entry in row) for row in rows)
            return cls(plain=Cost(**values.pop("plain")), attachments=attachments, **values)
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path} is not a cost table: {error}") from error


def _without_unread(used: list[Attachment]) -> list[Attachment]:
    """Leave out what only writes for later sites, where none reads."""
    read: set[int] = set()
    needed = []
    for attachment in reversed(used):
        if not attachment.writes_only:
            read.add(attachment.chain)
        if attachment.chain in read or not attachment.writes_only:
            needed.append(attachment)
    return needed[::-1]


def _read(entry: dict) -> Attachment:
    """Read an attachment; JSON knows no tuples."""
    later = tuple(tuple(pair) for pair in entry.pop("later", ()))
    return Attachment(**entry, later=later)
