import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.searchers.proposal_filter import ProposalFilter, change_sites
from ean_search.testing.toy import price

SPACE = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(9,) * 6)
SMALL_SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3,))


def problem(space, limits=""):
    return Problem(space, Objective.parse("accuracy", limits), price)


@pytest.mark.parametrize("sites", [0, 1, 7, 54])
def test_change_sites_changes_the_given_number_of_sites(sites, rng):
    before = SPACE.sample(rng)
    after = change_sites(before, SPACE, sites, rng)
    pairs = zip(before.choices, after.choices, strict=True)
    assert sum(a != b for a, b in pairs) == sites


def test_a_new_placement_is_returned_unchanged_the_first_time(rng):
    proposals, placement = ProposalFilter(problem(SPACE)), SPACE.sample(rng)
    assert proposals.find_new_near(placement, rng) == placement
    near = proposals.find_new_near(placement, rng)
    assert sum(a != b for a, b in zip(near.choices, placement.choices, strict=True)) == 1


@pytest.mark.parametrize("limits", ["sites <= 2", "sites >= 50"])
def test_proposals_keep_tight_limits(limits, rng):
    proposals = ProposalFilter(problem(SPACE, limits))
    start = SPACE.named["none" if ">" in limits else "all"]  # breaks the limit most
    placements = {proposals.find_new_near(start, rng) for _ in range(5)}
    assert len(placements) == 5
    assert all(p.attached <= 2 or p.attached >= 50 for p in placements)


def test_the_last_placement_of_a_small_space_is_found_and_then_repeated(rng):
    proposals = ProposalFilter(problem(SMALL_SPACE, "sites <= 1"))
    none = SMALL_SPACE.named["none"]
    assert len({proposals.find_new_near(none, rng) for _ in range(4)}) == 4
    assert proposals.sample_remaining(rng) is None
    assert proposals.find_new_near(none, rng) == none
