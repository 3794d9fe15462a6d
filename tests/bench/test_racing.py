import numpy as np
import pytest

from ean_search.analysis.run_folder import Run
from ean_search.bench.racing import bench_racing, record_answers, simulate_races
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.utils.errors import UserError
from tests.helpers import blobs


def draw_answers(accuracies, images=2000):
    rng = np.random.default_rng(0)
    return rng.random((len(accuracies), images)) < np.array(accuracies)[:, None]


def test_clear_winners_are_kept_and_images_saved():
    right = draw_answers([0.5, 0.5, 0.5, 0.9])
    row = simulate_races(right, np.zeros(4), size=4, error=0.05, races=20, batch=200)
    assert row["winner_lost"] == 0
    assert row["images_seen"] < 0.6


def test_equals_see_all_images():
    right = np.repeat(draw_answers([0.5]), 4, axis=0)
    row = simulate_races(right, np.zeros(4), size=4, error=0.05, races=20, batch=200)
    assert row["images_seen"] == 1
    assert row["mean_regret"] == 0


@pytest.mark.slow
def test_recorded_answers_are_those_of_the_evaluation(tiny, tiny_network):
    evaluator = SharedWeightsEvaluator(tiny_network, blobs(30, 0, size=32))
    placements = tiny.enumerate()[:4]
    right = record_answers(evaluator, placements)
    assert right.shape == (4, 30)
    expected = [result.accuracy for result in evaluator.evaluate(placements)]
    assert right.mean(axis=1) == pytest.approx(expected)


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not finished: ean-search resume"):
        bench_racing(Run(tmp_path))
