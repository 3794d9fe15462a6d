"""Cost tables without networks: sums over sites, shared parameters counted once."""

import json
from dataclasses import replace

import pytest

from ean_search.core.space import Space
from ean_search.core.trial import Cost
from ean_search.costs.table import Attachment, CostTable
from ean_search.costs.timing_quality import Timing
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 1))


def attachment(group, params, flops):
    return Attachment(group, params, 0, flops, flops + 1, 0.5, 8)


TABLE = CostTable(
    plain=Cost(0, 1000, 5000, 6000, 10.0, 400),
    attachments=(
        (attachment(0, 100, 10), attachment(1, 3, 1)),
        (attachment(0, 100, 10), attachment(1, 3, 1)),
        (attachment(2, 400, 20), attachment(3, 3, 2)),
    ),
    image_size=32,
    batch_size=1,
    hardware="a machine",
)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("00-0", Cost(0, 1000, 5000, 6000, 10.0, 400)),
        ("10-0", Cost(1, 1100, 5010, 6011, 10.5, 408)),
        ("11-0", Cost(2, 1100, 5020, 6022, 11.0, 416)),
        ("12-1", Cost(3, 1503, 5031, 6034, 11.5, 424)),
    ],
)
def test_shared_parameters_are_counted_once(text, cost):
    assert TABLE.price(SPACE.parse(text)) == cost


def test_a_table_can_be_saved_and_loaded(tmp_path):
    TABLE.save(tmp_path / "costs.json")
    assert CostTable.load(tmp_path / "costs.json") == TABLE


def test_a_table_keeps_how_well_it_was_timed(tmp_path):
    timed = replace(TABLE, timing=Timing("2026-01-01T00:00:00+00:00", 20, 0.02, 0.01, 0.1))
    timed.save(tmp_path / "costs.json")
    assert CostTable.load(tmp_path / "costs.json") == timed


def test_a_table_of_an_earlier_version_loads_without_a_timing(tmp_path):
    TABLE.save(tmp_path / "costs.json")
    fields = json.loads((tmp_path / "costs.json").read_text())
    del fields["timing"]
    (tmp_path / "costs.json").write_text(json.dumps(fields))
    assert CostTable.load(tmp_path / "costs.json") == TABLE


def test_a_file_that_is_no_cost_table_is_an_error(tmp_path):
    (tmp_path / "costs.json").write_text('{"plain": 3}')
    with pytest.raises(UserError, match="is not a cost table"):
        CostTable.load(tmp_path / "costs.json")


def chained(flops, later=(), **fields):
    values = {"params": 0, "replaced_params": 0, "latency_ms": 0.0, "activation_bytes": 0}
    return Attachment(group=0, macs=flops, flops=flops, chain=0, later=later, **values | fields)


# Two choices of one chain: attentions that cost more the later they come, and ones that only write.
CHAINED = CostTable(
    plain=Cost(0, 0, 0, 0, 0.0, 0),
    attachments=(
        (chained(10), chained(1, writes_only=True)),
        (chained(10, ((20, 20),)), chained(1, writes_only=True)),
        (chained(10, ((20, 20), (30, 30))), chained(1, writes_only=True)),
    ),
    image_size=32,
    batch_size=1,
    hardware="a machine",
)


@pytest.mark.parametrize(
    ("text", "flops"),
    [
        ("10-0", 10),
        ("00-1", 10),
        ("11-0", 30),
        ("10-1", 30),
        ("11-1", 60),
        ("21-0", 21),  # a writer counts as a site of the chain
        ("22-1", 32),
    ],
)
def test_an_attention_may_cost_more_the_later_it_comes_in_its_chain(text, flops):
    assert CHAINED.price(SPACE.parse(text)).flops == flops


@pytest.mark.parametrize(("text", "flops"), [("20-0", 0), ("12-0", 10), ("12-2", 10), ("22-2", 0)])
def test_writers_without_a_later_reader_cost_nothing(text, flops):
    placement = SPACE.parse(text)
    assert CHAINED.price(placement).flops == flops
    assert CHAINED.price(placement).sites == placement.attached


def test_attachments_of_a_chain_can_be_saved_and_loaded(tmp_path):
    CHAINED.save(tmp_path / "costs.json")
    assert CostTable.load(tmp_path / "costs.json") == CHAINED


def test_replaced_modules_are_subtracted():
    replacing = CostTable(
        Cost(0, 1000, 0, 0, 0.0, 0), ((Attachment(0, 30, 200, 0, 0, 0.0, 0, own_params=5),),),
        32, 1, "a machine",
    )  # fmt: skip
    space = Space(name="one", backbone="x", attention="se", stages=(1,))
    assert replacing.price(space.parse("1")).params == 1000 + 30 + 5 - 200
