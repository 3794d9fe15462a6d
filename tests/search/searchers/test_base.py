"""What a searcher does that overrides only what it must."""

import pytest

from ean_search.core.space import Space
from ean_search.search.searchers.base import Searcher
from ean_search.testing.toy import ToyLandscape, play_search
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(2, 2))


class UniformSearcher(Searcher):
    def ask(self, n, rng):
        return [SPACE.sample(rng) for _ in range(n)]

    def tell(self, trials):
        pass


def test_the_trial_of_the_highest_reward_is_recommended():
    searcher = UniformSearcher()
    trials = play_search(searcher, ToyLandscape(SPACE))
    assert searcher.recommend(trials).reward == max(trial.reward for trial in trials)


def test_there_is_no_policy_and_nothing_to_start_from():
    searcher = UniformSearcher()
    assert searcher.probabilities() is None
    assert searcher.entropy is None
    with pytest.raises(UserError, match="a UniformSearcher cannot use another run's trials"):
        searcher.warm_start([])
