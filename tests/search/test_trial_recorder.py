import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.core.trial import EvaluationResult
from ean_search.search.trial_log import InMemoryTrialLog
from ean_search.search.trial_recorder import TrialRecorder
from ean_search.testing.toy import price
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention="se", stages=(2, 2))
NONE, ALL, HALF = (SPACE.parse(text) for text in ("00-00", "11-11", "10-10"))


class RecordingEvaluator:
    """Remembers the cohorts; a placement with more sites has a higher accuracy."""

    joint = False

    def __init__(self, **fields):
        self.cohorts, self.fields = [], fields

    def evaluate(self, placements):
        self.cohorts.append(list(placements))
        for placement in placements:
            accuracy = 0.5 + 0.1 * placement.attached
            yield EvaluationResult(**{"accuracy": accuracy, "seconds": 0.1} | self.fields)


class JointEvaluator(RecordingEvaluator):
    joint = True


def make_recorder(evaluator, limits="", trials=()):
    problem = Problem(SPACE, Objective.parse("accuracy - 0.1 sites", limits), price)
    return TrialRecorder(problem, evaluator, InMemoryTrialLog(trials))


def test_a_known_placement_is_not_evaluated_again():
    evaluator = RecordingEvaluator()
    recorder = make_recorder(evaluator)
    first = recorder.evaluate([NONE, HALF, NONE], 1, 10)
    second = recorder.evaluate([HALF, ALL], 2, 10)
    assert evaluator.cohorts == [[NONE, HALF], [ALL]]
    assert [trial.number for trial in first] == [0, 1, 0]
    assert [(trial.number, trial.step) for trial in second] == [(1, 1), (2, 2)]
    assert [trial.placement for trial in recorder.log.trials] == [NONE, HALF, ALL]


def test_no_more_placements_are_evaluated_than_allowed():
    recorder = make_recorder(RecordingEvaluator())
    assert [t.placement for t in recorder.evaluate([NONE, HALF, ALL], 1, 2)] == [NONE, HALF]


def test_infeasible_placements_get_a_trial_that_is_not_in_the_log():
    evaluator = RecordingEvaluator()
    recorder = make_recorder(evaluator, limits="sites <= 2")
    half, full = recorder.evaluate([HALF, ALL], 1, 10)
    assert evaluator.cohorts == [[HALF]]
    assert (full.number, full.status, full.accuracy) == (-1, "infeasible", None)
    assert full.reward < -1.0 < half.reward
    assert recorder.log.trials == [half]


@pytest.mark.parametrize(
    ("result", "limits", "status"),
    [
        ({}, "", "done"),
        ({"stopped": True}, "", "stopped"),
        ({"accuracy": None, "note": "out of memory"}, "", "failed"),
        ({"stopped": True}, "sites <= 1", "infeasible"),
    ],
)
def test_the_status_of_a_trial_follows_from_its_result_and_the_limits(result, limits, status):
    recorder = make_recorder(RecordingEvaluator(**result), limits)
    (trial,) = recorder.evaluate([HALF], 1, 1, ["named"])
    assert trial.status == status
    assert trial.note == result.get("note", "named")
    if status in ("done", "stopped"):
        assert trial.reward == pytest.approx(0.7 - 0.1 * 2 / 4)
    else:
        assert trial.reward <= -1.0


def test_logged_trials_are_used_in_their_order():
    logged = make_recorder(RecordingEvaluator()).evaluate([NONE, HALF], 1, 10)
    evaluator = RecordingEvaluator()
    trials = make_recorder(evaluator, trials=logged).evaluate([NONE, HALF, ALL], 1, 10)
    assert evaluator.cohorts == [[ALL]]
    assert trials[:2] == logged


def test_a_joint_evaluator_gets_the_logged_members_of_a_cohort_too():
    logged = make_recorder(RecordingEvaluator()).evaluate([NONE, HALF], 1, 10)
    evaluator = JointEvaluator()
    trials = make_recorder(evaluator, trials=logged).evaluate([NONE, HALF, ALL], 1, 10)
    assert evaluator.cohorts == [[NONE, HALF, ALL]]
    assert trials[:2] == logged
    assert trials[2].accuracy == pytest.approx(0.9)


def test_a_log_with_another_placement_is_refused():
    logged = make_recorder(RecordingEvaluator()).evaluate([NONE, HALF], 1, 10)
    with pytest.raises(UserError, match="trial 1 is 10-10, but this search proposes 11-11"):
        make_recorder(RecordingEvaluator(), trials=logged).evaluate([NONE, ALL], 1, 10)


@pytest.mark.parametrize(("kind", "num_cohorts"), [(RecordingEvaluator, 1), (JointEvaluator, 4)])
def test_named_placements_are_one_cohort_unless_they_would_race(kind, num_cohorts):
    evaluator = kind()
    trials = list(make_recorder(evaluator, limits="sites <= 2").evaluate_named())
    assert [trial.note for trial in trials] == ["none", "all", "every-other", "last-per-stage"]
    assert all(trial.accuracy is not None for trial in trials)
    assert len(evaluator.cohorts) == num_cohorts
