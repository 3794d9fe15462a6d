"""Tune's schedulers by name."""

import pytest

from ean_search.distributed.config import SCHEDULER_NAMES
from ean_search.distributed.schedulers import make_scheduler
from ean_search.utils.errors import UserError


def test_schedulers_are_known_by_name():
    assert type(make_scheduler("asha", 3)).__name__ == "AsyncHyperBandScheduler"
    assert type(make_scheduler("asha", 1)).__name__ == "FIFOScheduler"
    with pytest.raises(UserError, match="did you mean 'hyperband'"):
        make_scheduler("hyperbnd", 3)


def test_each_name_makes_another_scheduler():
    assert len({type(make_scheduler(name, 3)) for name in SCHEDULER_NAMES}) == len(SCHEDULER_NAMES)
