import numpy as np

from ean_search.core.space import Space
from ean_search.search.searchers.local_search import LocalSearch, neighbours
from ean_search.testing.toy import ToyLandscape

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 3))
MIXED = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 1))
TOY = ToyLandscape(SPACE)


def trials_of(*placements, status="done"):
    return [TOY.trial(placement, 0, 1, status) for placement in placements]


def distance(one, other):
    return sum(a != b for a, b in zip(one.choices, other.choices, strict=True))


def test_neighbours_differ_at_one_site():
    here = MIXED.parse("01-2")
    found = neighbours(here, MIXED)
    assert len(found) == len(set(found)) == 6
    assert all(distance(here, placement) == 1 for placement in found)


def test_it_tries_the_neighbours_of_the_best_and_moves_to_a_better_one(rng):
    searcher, none = LocalSearch(TOY.problem), SPACE.named["none"]
    searcher.tell(trials_of(none))
    cohort = searcher.ask(3, rng)
    assert {distance(placement, none) for placement in cohort} == {1}
    searcher.tell(trials_of(*cohort))
    best = max(cohort, key=TOY.accuracy)
    assert TOY.accuracy(best) > TOY.accuracy(none)
    assert {distance(placement, best) for placement in searcher.ask(3, rng)} == {1}


def test_it_finds_the_top_of_a_separable_landscape_in_one_climb(rng):
    searcher, best = LocalSearch(TOY.problem), 0.5 + TOY.gains.max(axis=1).sum()
    for _ in range(6 * 6):
        cohort = searcher.ask(1, rng)
        searcher.tell(trials_of(*cohort))
    assert np.isclose(TOY.accuracy(searcher._best), best)


def test_from_a_top_it_begins_again_some_sites_away(rng):
    searcher = LocalSearch(TOY.problem, kick=3)
    top = SPACE.placement(TOY.gains.argmax(axis=1))
    searcher.tell(trials_of(top))
    searcher.tell(trials_of(*neighbours(top, SPACE)))
    (start,) = searcher.ask(1, rng)
    assert distance(start, top) >= 2
    searcher.tell(trials_of(start))
    assert distance(searcher.ask(1, rng)[0], start) == 1


def test_a_start_that_failed_is_forgotten(rng):
    searcher = LocalSearch(TOY.problem)
    top = SPACE.placement(TOY.gains.argmax(axis=1))
    searcher.tell(trials_of(top, *neighbours(top, SPACE)))
    searcher.tell(trials_of(*searcher.ask(1, rng), status="failed"))
    assert distance(searcher.ask(1, rng)[0], top) >= 2
