"""Cost tables without networks: sums over sites, modules paid for once."""

import pytest

from ean_search.core.space import Space
from ean_search.core.trial import Cost
from ean_search.costs.table import Attachment, CostTable
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
def test_shared_modules_are_paid_for_once(text, cost):
    assert TABLE.price(SPACE.parse(text)) == cost


def test_a_table_survives_its_file(tmp_path):
    TABLE.save(tmp_path / "costs.json")
    assert CostTable.load(tmp_path / "costs.json") == TABLE


def test_other_files_are_refused(tmp_path):
    (tmp_path / "costs.json").write_text('{"plain": 3}')
    with pytest.raises(UserError, match="is not a cost table"):
        CostTable.load(tmp_path / "costs.json")
