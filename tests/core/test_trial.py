from dataclasses import replace

import pytest

from ean_search.core.space import Space
from ean_search.core.trial import Cost, Trial
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention="se", stages=(2,))
COST = Cost(1, 100, 1000, 1100, 2.5, 64)
TRIAL = Trial(3, 2, SPACE.parse("10"), "done", 0.75, 0.7, COST, 0.1)


def test_a_trial_is_read_back_from_its_line():
    assert Trial.from_json(TRIAL.to_json(), SPACE) == TRIAL
    failed = replace(TRIAL, status="failed", accuracy=None, note="out of memory")
    assert Trial.from_json(failed.to_json(), SPACE) == failed
    assert "\n" not in TRIAL.to_json()


def test_only_a_known_standard_error_is_stored():
    known = replace(TRIAL, standard_error=0.01)
    assert Trial.from_json(known.to_json(), SPACE) == known
    assert "standard_error" not in TRIAL.to_json()


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", TRIAL.to_json().replace('"10"', '"100"')])
def test_lines_that_are_no_trial_are_refused(line):
    with pytest.raises(UserError):
        Trial.from_json(line, SPACE)


def test_axes_have_short_names():
    assert COST.on("latency") == COST.on("latency_ms") == 2.5
    with pytest.raises(UserError, match="unknown cost axis 'latencies'; did you mean 'latency'"):
        COST.on("latencies")
