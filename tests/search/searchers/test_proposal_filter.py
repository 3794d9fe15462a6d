import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.searchers.proposal_filter import ProposalFilter, changed
from ean_search.testing.toy import price

SPACE = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(9,) * 6)
SMALL = Space(name="toy", backbone="x", attention=["se"], stages=(3,))


def problem(space, limits=""):
    return Problem(space, Objective.parse("accuracy", limits), price)


@pytest.mark.parametrize("sites", [0, 1, 7, 54])
def test_so_many_sites_change_as_asked(sites, rng):
    before = SPACE.sample(rng)
    after = changed(before, SPACE, sites, rng)
    pairs = zip(before.choices, after.choices, strict=True)
    assert sum(a != b for a, b in pairs) == sites


def test_a_new_placement_is_returned_as_it_is_once(rng):
    fresh, placement = ProposalFilter(problem(SPACE)), SPACE.sample(rng)
    assert fresh.near(placement, rng) == placement
    near = fresh.near(placement, rng)
    assert sum(a != b for a, b in zip(near.choices, placement.choices, strict=True)) == 1


@pytest.mark.parametrize("limits", ["sites <= 2", "sites >= 50"])
def test_limits_hold_however_tight(limits, rng):
    fresh = ProposalFilter(problem(SPACE, limits))
    start = SPACE.named["none" if ">" in limits else "all"]  # as far off as can be
    found = {fresh.near(start, rng) for _ in range(5)}
    assert len(found) == 5
    assert all(p.attached <= 2 or p.attached >= 50 for p in found)


def test_the_last_placement_of_a_small_space_is_found_and_then_repeated(rng):
    fresh = ProposalFilter(problem(SMALL, "sites <= 1"))
    none = SMALL.named["none"]
    assert len({fresh.near(none, rng) for _ in range(4)}) == 4
    assert fresh.last(rng) is None
    assert fresh.near(none, rng) == none
