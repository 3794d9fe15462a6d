import math

import numpy as np
import pytest

from ean_search.core.space import Space
from ean_search.search.searchers.random import RandomSearch
from ean_search.testing.toy import COHORT_SIZE, NUM_STEPS, ToyLandscape, play_search, price

SPACE = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2))
LANDSCAPE = ToyLandscape(SPACE)


def test_the_accuracy_is_a_sum_of_gains_within_zero_and_one():
    accuracies = {placement: LANDSCAPE.accuracy(placement) for placement in SPACE.enumerate()}
    assert accuracies[SPACE.named["none"]] == 0.5
    assert max(accuracies.values()) == pytest.approx(0.5 + LANDSCAPE.gains.max(axis=1).sum())
    assert min(accuracies.values()) >= 0.0
    assert max(accuracies.values()) <= 1.0


def test_it_evaluates_like_an_evaluator():
    placements = SPACE.enumerate()[:5]
    results = list(LANDSCAPE.evaluate(placements))
    assert [r.accuracy for r in results] == [LANDSCAPE.accuracy(p) for p in placements]


def test_the_cost_grows_with_the_number_of_attached_sites():
    costs = [price(SPACE.parse(text)) for text in ("00-00", "10-02", "11-11")]
    assert [cost.sites for cost in costs] == [0, 2, 4]
    assert [cost.latency_ms for cost in costs] == [10.0, 11.0, 12.0]
    assert len({cost.macs for cost in costs}) == 1


@pytest.mark.parametrize(("status", "number"), [("failed", 0), ("failed", 1), ("infeasible", 0)])
def test_trials_that_are_not_done_have_no_accuracy(status, number):
    trial = LANDSCAPE.trial(SPACE.named["all"], number, 1, status)
    assert trial.accuracy is None
    assert trial.reward == -1.0 if status == "infeasible" else not math.isfinite(trial.reward)


def test_a_search_is_the_same_for_the_same_seed():
    searches = [
        play_search(RandomSearch(LANDSCAPE.problem), LANDSCAPE, seed=seed) for seed in (0, 0, 1)
    ]
    assert searches[0] == searches[1] != searches[2]
    assert len(searches[0]) == COHORT_SIZE * NUM_STEPS
    assert np.unique([trial.step for trial in searches[0]]).tolist() == [*range(1, NUM_STEPS + 1)]


def test_known_trials_are_told_instead_of_new_ones():
    whole = play_search(RandomSearch(LANDSCAPE.problem), LANDSCAPE)
    known = {whole[0].placement: LANDSCAPE.trial(whole[0].placement, 7, 1, "failed")}
    resumed = play_search(RandomSearch(LANDSCAPE.problem), LANDSCAPE, known=known)
    assert resumed[0].status == "failed"
