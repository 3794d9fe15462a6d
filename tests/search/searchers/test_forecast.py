import numpy as np

from ean_search.search.searchers.expected_improvement import RewardGoal
from ean_search.search.searchers.forecast import Forecast


def test_a_cohort_does_not_ask_the_same_question_twice():
    # Two candidates that say nearly the same, and a third, a little worse one, of its own.
    covariance = np.array([[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 1.0]])
    forecast = Forecast(np.array([0.02, 0.01, 0.0]), covariance, residual=0.01)
    assert forecast.choose(2, RewardGoal(0.0, np.zeros(3))) == [0, 2]


def test_a_sure_candidate_yields_to_one_that_may_be_much_better():
    forecast = Forecast(np.array([0.1, 0.0]), np.diag([1e-6, 4.0]), residual=1e-6)
    assert forecast.choose(2, RewardGoal(0.0, np.zeros(2))) == [1, 0]
