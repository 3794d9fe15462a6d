"""What placements cost: a table of what every site adds, which is summed up in microseconds.

`measure.py` measures the table, once for each space, image size and device. Parameters that a group
of sites shares are counted once; everything else adds up over sites. The FLOPs of a stateful
attention may depend on the number of attached sites before it in its chain.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ean_search.core.space import Placement, as_placement
from ean_search.core.trial import Cost, is_finite_number
from ean_search.costs.timing_quality import Timing
from ean_search.utils.errors import UserError, first_line, shorten
from ean_search.utils.files import save_json
from ean_search.utils.formats import FORMAT_KEY, FORMATS, check_format

MAX_SIZE = 10**6  # of images, batches and channels


@dataclass(frozen=True)
class Attachment:
    """What one attention adds to the cost of a network at one site.

    Attributes:
        group: The number of the group; its sites share parameters.
        params: The parameters that the group shares.
        replaced_params: The parameters of the backbone's module that the attention replaces.
        macs: Multiply-adds, as the first attached site of its chain.
        flops: FLOPs, as the first attached site of its chain.
        latency_ms: Milliseconds that it adds to a batch.
        activation_bytes: Size of its map for one image, in float32.
        own_params: The parameters that the site does not share.
        chain: The number of the chain, whose sites pass a state on; -1: none.
        writes_only: It only writes the state; without a later site of its chain that reads the
            state, it is not run and costs nothing.
        later: (macs, flops) after one attached site of its chain, after two, and so on; empty if
            they are the same everywhere in the chain.
    """

    group: int
    params: int
    replaced_params: int
    macs: int
    flops: int
    latency_ms: float
    activation_bytes: int
    own_params: int = 0
    chain: int = -1
    writes_only: bool = False
    later: tuple[tuple[int, int], ...] = ()

    def counts(self, before: int) -> tuple[int, int]:
        """Return macs and flops, with `before` attached sites of the chain before this one."""
        return self.later[before - 1] if before and self.later else (self.macs, self.flops)


@dataclass(frozen=True)
class CostTable:
    """The cost of the plain backbone, and what each choice adds to it at each site.

    Attributes:
        plain: The cost of the backbone without attention.
        attachments: One row per site, with one entry per choice from 1 on.
        image_size: Height and width of the images in pixels.
        batch_size: The batch size for which latencies were measured.
        hardware: The machine on which they were measured.
        timing: When and how well they were measured; None if that is unknown.
        channels: The number of channels of the images.
        uncounted: The operators that fvcore found in a user's module and does not count.

    Example:
        >>> table = measure_costs(space, classes=100)
        >>> table.price(space.parse("100-1011-010011-011")).flops
    """

    plain: Cost
    attachments: tuple[tuple[Attachment, ...], ...]
    image_size: int
    batch_size: int
    hardware: str
    timing: Timing | None = None
    channels: int = 3
    uncounted: tuple[str, ...] = ()

    def price(self, placement: Placement | str) -> Cost:
        """Return the cost of a network with this placement, which may be given as text."""
        cost = self._prices.get(placement)
        if cost is None:
            read = as_placement(placement, len(self.attachments))
            cost = self._prices.setdefault(placement, self._sum(read))
        return cost

    @cached_property
    def _prices(self) -> dict[Placement | str, Cost]:
        return {}

    def _sum(self, placement: Placement) -> Cost:
        rows = zip(self.attachments, placement.choices, strict=True)
        used = _without_unread_writers([row[choice - 1] for row, choice in rows if choice])
        shared = {a.group: a.params for a in used}
        own = sum(a.own_params - a.replaced_params for a in used)
        macs, flops = self.plain.macs, self.plain.flops
        before: Counter[int] = Counter()  # attached sites of each chain so far
        for attachment in used:
            added_macs, added_flops = attachment.counts(before[attachment.chain])
            before[attachment.chain] += 1
            macs, flops = macs + added_macs, flops + added_flops
        return Cost(
            sites=placement.attached,
            params=self.plain.params + sum(shared.values()) + own,
            macs=macs,
            flops=flops,
            latency_ms=round(self.plain.latency_ms + sum(a.latency_ms for a in used), 6),
            activation_bytes=self.plain.activation_bytes + sum(a.activation_bytes for a in used),
        )

    def check(self) -> None:
        """Check the values of a table that was read.

        Raises:
            UserError: If one is no finite number, or out of range; it names the field.
        """
        _check_numbers("plain", self.plain)
        for site, row in enumerate(self.attachments, 1):
            for choice, attachment in enumerate(row, 1):
                _check_numbers(f"site {site}, choice {choice}", attachment)
        if self.timing is not None:
            _check_numbers("timing", self.timing)
        for name in ("image_size", "batch_size", "channels"):
            value = getattr(self, name)
            if not (is_finite_number(value, whole=True) and 1 <= value <= MAX_SIZE):
                raise UserError(f"{name}: expected a number from 1 on, got {shorten(value)}")
        if not isinstance(self.hardware, str):
            raise UserError(f"hardware: expected text, got {shorten(self.hardware)}")

    def check_fits(self, sites: int, choices: int, where: str) -> None:
        """Check that the table is of a space with so many sites and choices.

        Raises:
            UserError: If not; `where`, the table's file, is the beginning of the message.
        """
        if len(self.attachments) != sites or any(len(r) != choices - 1 for r in self.attachments):
            raise UserError(
                f"{where}: a table of {len(self.attachments)} sites is not of this space, which "
                f"has {sites} sites and {choices} choices"
            )

    def save(self, path: Path | str) -> None:
        """Write the table as JSON."""
        save_json({FORMAT_KEY: FORMATS["cost table"], **asdict(self)}, Path(path))

    @classmethod
    def load(cls, path: Path | str) -> "CostTable":
        """Read a table that was saved.

        Raises:
            UserError: If there is no such file, or it holds something else.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"no cost table at {path}")
        try:
            values = json.loads(path.read_text())
            check_format(values.pop(FORMAT_KEY, None), "cost table", str(path))
            rows = values.pop("attachments")
            attachments = tuple(tuple(_read_attachment(entry) for entry in row) for row in rows)
            plain, timing = Cost(**values.pop("plain")), values.pop("timing", None)
            timing = Timing(**timing) if timing else None  # earlier versions did not note it
            values["uncounted"] = tuple(map(str, values.get("uncounted", ())))
            table = cls(plain=plain, attachments=attachments, timing=timing, **values)
            table.check()
            return table
        except UserError as error:
            raise UserError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UserError(f"{path} is not a cost table: {first_line(error)}") from error


def _check_numbers(where: str, part: Any) -> None:
    """Refuse fields that are no finite numbers."""
    for name, value in asdict(part).items():
        numbers = [n for pair in value for n in pair] if isinstance(value, tuple) else [value]
        if name not in ("writes_only", "date") and not all(map(is_finite_number, numbers)):
            raise UserError(f"{where}: {name}: expected a finite number, got {shorten(value)}")


def _without_unread_writers(used: list[Attachment]) -> list[Attachment]:
    """Leave out attachments that only write a state which no later site reads."""
    chains_read: set[int] = set()
    needed = []
    for attachment in reversed(used):
        if not attachment.writes_only:
            chains_read.add(attachment.chain)
        if attachment.chain in chains_read or not attachment.writes_only:
            needed.append(attachment)
    return needed[::-1]


def _read_attachment(entry: dict[str, Any]) -> Attachment:
    """Make an attachment of JSON, which has lists for tuples."""
    later = tuple((macs, flops) for macs, flops in entry.pop("later", ()))
    return Attachment(**entry, later=later)
