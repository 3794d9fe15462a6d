import numpy as np

from ean_search.core.space import Space
from ean_search.search.searchers.random import RandomSearch
from ean_search.testing.toy import ToyLandscape

BINARY = Space(name="toy", backbone="x", attention=["se"], stages=(2, 3, 3))


def test_random_search_finds_every_placement_of_a_small_space(rng):
    searcher = RandomSearch(ToyLandscape(BINARY).problem, tries=1)
    assert set(searcher.ask(BINARY.size, rng)) == set(BINARY.enumerate())
    assert len(searcher.ask(3, rng)) == 3


def test_random_search_draws_the_count_of_attachments_evenly(rng):
    space = Space(name="toy", backbone="x", attention=["se"], stages=(9,) * 6)
    cohort = RandomSearch(ToyLandscape(space).problem).ask(600, rng)
    counts = np.histogram([p.attached for p in cohort], bins=np.linspace(0, 55, 6))[0]
    assert counts.min() > 70
