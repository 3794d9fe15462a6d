import math
from dataclasses import replace

import numpy as np

from ean_search.core.space import Space
from ean_search.search.searchers.evolution import Evolution
from ean_search.testing.toy import ToyLandscape

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 4, 6, 3))
TOY = ToyLandscape(SPACE)


def trials_of(placements, **changes):
    return [replace(TOY.trial(p, 0, 1, "done"), **changes) for p in placements]


def distance(one, other):
    return sum(a != b for a, b in zip(one.choices, other.choices, strict=True))


def test_a_child_differs_from_the_winner_of_a_tournament_at_one_site(rng):
    searcher = Evolution(TOY.problem, population=4, tournament=50)
    adults = searcher.ask(4, rng)
    searcher.tell(trials_of(adults))
    best = max(adults, key=TOY.accuracy)
    assert {distance(child, best) for child in searcher.ask(3, rng)} == {1}


def test_the_oldest_dies_however_good_it_is(rng):
    searcher = Evolution(TOY.problem, population=2, tournament=50)
    old, *young = (SPACE.sample(rng, attached=count) for count in (0, 8, 16))
    searcher.tell(trials_of([old], reward=9.0))
    searcher.tell(trials_of(young))
    assert all(distance(child, old) > 5 for child in searcher.ask(5, rng))


def test_more_flips_change_more_sites(rng):
    searcher = Evolution(TOY.problem, population=1, flips=4.0)
    searcher.tell(trials_of([SPACE.named["none"]]))
    children = searcher.ask(200, rng)
    assert 3.4 < np.mean([child.attached for child in children]) < 4.6


def test_what_failed_has_no_children(rng):
    searcher = Evolution(TOY.problem, population=1)
    searcher.tell(trials_of([SPACE.named["all"]], status="failed", reward=math.nan))
    searcher.tell(trials_of([SPACE.named["all"]], status="infeasible", reward=9.0))
    assert len({child.attached for child in searcher.ask(20, rng)}) > 5
