import numpy as np

from ean_search.bench.racing import simulate


def answers(accuracies, images=2000):
    rng = np.random.default_rng(0)
    return rng.random((len(accuracies), images)) < np.array(accuracies)[:, None]


def test_clear_winners_are_kept_and_images_saved():
    row = simulate(
        answers([0.5, 0.5, 0.5, 0.9]), np.zeros(4), size=4, error=0.05, races=20, batch=200
    )
    assert row["winner_lost"] == 0
    assert row["images_seen"] < 0.6


def test_equals_see_all_images():
    right = np.repeat(answers([0.5]), 4, axis=0)
    row = simulate(right, np.zeros(4), size=4, error=0.05, races=20, batch=200)
    assert row["images_seen"] == 1
    assert row["mean_regret"] == 0
