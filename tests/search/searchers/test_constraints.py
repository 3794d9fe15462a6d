from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.searchers.constraints import drop_until_feasible, is_feasible
from ean_search.testing.toy import price

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 4, 6, 3))


def test_a_placement_is_feasible_if_it_keeps_every_limit():
    problem = Problem(SPACE, Objective.parse("accuracy", "sites >= 2, latency < 12"), price)
    counts = [0, 2, 3, 4]
    placements = [SPACE.placement([1] * count + [0] * (16 - count)) for count in counts]
    assert [is_feasible(p, problem) for p in placements] == [False, True, True, False]


def test_sites_are_dropped_until_the_placement_keeps_the_limits(rng):
    problem = Problem(SPACE, Objective.parse("accuracy", "latency <= 12.5"), price)
    full = SPACE.named["all"]
    feasible = drop_until_feasible(full, problem, rng)
    assert feasible.attached == 5
    assert drop_until_feasible(feasible, problem, rng) == feasible


def test_dropping_ends_without_attention_if_no_limit_can_be_kept(rng):
    problem = Problem(SPACE, Objective.parse("accuracy", "latency < 1"), price)
    assert drop_until_feasible(SPACE.named["all"], problem, rng) == SPACE.named["none"]
