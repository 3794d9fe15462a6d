import json

import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.core.trial import EvaluationResult
from ean_search.search.loop import MAX_IDLE_STEPS, SearchSettings, run_search
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.trial_log import TrialLog
from ean_search.testing.toy import price
from ean_search.utils.errors import UserError
from ean_search.utils.progress import silent

SPACE = Space(name="toy", backbone="x", attention="se", stages=(3, 4))


class FormulaEvaluator:
    """Computes accuracies by a formula, and counts calls."""

    def __init__(self, stop_after=None, failing=()):
        self.calls = []
        self.stop_after = stop_after
        self.failing = failing

    def evaluate(self, placements):
        for placement in placements:
            if len(self.calls) == self.stop_after:
                raise KeyboardInterrupt
            self.calls.append(placement)
            if str(placement) in self.failing:
                yield EvaluationResult(None, 0.1, "out of memory")
                continue
            weights = [0.01 * (i - 2) for i in range(SPACE.sites)]
            gain = sum(w * c for w, c in zip(weights, placement.choices, strict=True))
            yield EvaluationResult(0.5 + gain, 0.1)


def run(path, evaluator, searcher="random", limits="", progress=silent, **options):
    problem = Problem(SPACE, Objective.parse("accuracy - 0.02 latency", limits), price)
    options = {"budget": 30, "cohort": 4, "seed": 7} | options
    log = TrialLog(path, SPACE)
    settings = SearchSettings(**options)
    made = make_searcher(searcher, problem)
    ending = run_search(problem, made, evaluator, log, settings, progress=progress)
    return ending, log.trials


def trials_without_times(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line | {"seconds": 0} for line in lines]


def test_a_budget_counts_distinct_evaluations(tmp_path):
    evaluator = FormulaEvaluator()
    ending, trials = run(tmp_path / "t", evaluator)
    assert ending == "the budget is spent"
    assert len(trials) == len(set(evaluator.calls)) == len(evaluator.calls) == 30
    assert [trial.number for trial in trials] == list(range(30))


def test_every_run_begins_with_the_named_placements(tmp_path):
    _, trials = run(tmp_path / "t", FormulaEvaluator(), budget=1)
    assert [t.note for t in trials] == ["none", "all", "every-other", "last-per-stage"]
    assert {t.step for t in trials} == {0}


def test_progress_counts_the_named_placements_though_the_budget_is_smaller(tmp_path):
    reports = []
    run(tmp_path / "t", FormulaEvaluator(), budget=2, progress=lambda *words: reports.append(words))
    assert [words[:3] for words in reports] == [("search", done, 4) for done in (1, 2, 3, 4)]


def test_a_resumed_search_reports_every_trial_once_and_marks_the_old_ones(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "t", FormulaEvaluator(stop_after=10))
    events = []
    _, trials = run(
        tmp_path / "t", FormulaEvaluator(), progress=lambda *words: events.extend(words[3].events)
    )
    told = [event for event in events if event["event"] == "trial"]
    assert [event["number"] for event in told] == list(range(30))
    assert [event["accuracy"] for event in told] == [trial.accuracy for trial in trials]
    assert [event["replayed"] for event in told] == [True] * 10 + [False] * 20
    states = [event for event in events if event["event"] == "search_status"]
    assert all(state["replayed"] == (state["done"] <= 10) for state in states)
    for state in states:  # the best trial's figures are its own
        assert state["best_accuracy"] == trials[state["best_number"]].accuracy
        assert state["best_placement"] == str(trials[state["best_number"]].placement)


@pytest.mark.parametrize("searcher", ["random", "ean", "reinforce"])
@pytest.mark.parametrize("stop", [0, 3, 11, 29])
def test_a_resumed_search_equals_an_uninterrupted_one(tmp_path, searcher, stop):
    run(tmp_path / "whole", FormulaEvaluator(), searcher)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", FormulaEvaluator(stop_after=stop), searcher)
    remaining = FormulaEvaluator()
    run(tmp_path / "parts", remaining, searcher)
    assert len(remaining.calls) == 30 - stop
    assert trials_without_times(tmp_path / "parts") == trials_without_times(tmp_path / "whole")


def test_a_finished_search_can_be_extended(tmp_path):
    run(tmp_path / "t", FormulaEvaluator(), budget=12)
    more = FormulaEvaluator()
    run(tmp_path / "t", more, budget=20)
    run(tmp_path / "whole", FormulaEvaluator(), budget=20)
    assert len(more.calls) == 8
    assert trials_without_times(tmp_path / "t") == trials_without_times(tmp_path / "whole")


def test_placements_out_of_limits_are_not_evaluated_but_named_ones_are(tmp_path):
    evaluator = FormulaEvaluator()
    _, trials = run(tmp_path / "t", evaluator, limits="sites <= 3", budget=40, steps=60)
    named = {"all", "every-other", "none", "last-per-stage"}
    outside = [trial for trial in trials if trial.placement.attached > 3]
    assert {trial.note for trial in outside} <= named
    assert {trial.status for trial in outside} == {"infeasible"}
    assert all(trial.accuracy is not None for trial in outside)
    assert len(trials) > 20
    done = [trial for trial in trials if trial.status == "done"]
    assert max(trial.placement.attached for trial in done) <= 3


def test_failures_are_recorded_with_their_reason_and_the_search_goes_on(tmp_path):
    evaluator = FormulaEvaluator(failing=[str(SPACE.named["all"])])
    ending, trials = run(tmp_path / "t", evaluator)
    failed = [trial for trial in trials if trial.status == "failed"]
    assert [(t.accuracy, t.note) for t in failed] == [(None, "out of memory")]
    assert ending == "the budget is spent"


def test_a_small_space_is_searched_to_its_end(tmp_path):
    ending, trials = run(tmp_path / "t", FormulaEvaluator(), budget=1000)
    assert ending == "every placement was evaluated"
    assert len(trials) == SPACE.size == 128


class RepeatsOnePlacement:
    def __init__(self, problem):
        self.space = problem.space

    def ask(self, n, rng):
        return [self.space.named["all"]] * n

    def tell(self, trials):
        assert all(trial.accuracy is not None for trial in trials)


def test_a_search_ends_if_the_searcher_only_repeats_itself(tmp_path):
    ending, trials = run(tmp_path / "t", FormulaEvaluator(), f"{__name__}:RepeatsOnePlacement")
    assert ending == f"nothing new was proposed in {MAX_IDLE_STEPS} steps"
    assert len(trials) == 4


def test_the_log_of_another_search_is_refused(tmp_path):
    run(tmp_path / "t", FormulaEvaluator(), budget=12)
    with pytest.raises(UserError, match="other settings"):
        run(tmp_path / "t", FormulaEvaluator(), budget=12, seed=8)


def test_rewards_follow_the_objective(tmp_path):
    _, trials = run(tmp_path / "t", FormulaEvaluator())
    for trial in trials:
        share = trial.placement.attached / SPACE.sites
        assert trial.reward == pytest.approx(trial.accuracy - 0.02 * share)


def test_progress_shows_the_best_placement_within_the_limits(tmp_path):
    shown = []
    _, trials = run(
        tmp_path / "t",
        FormulaEvaluator(failing=[str(SPACE.named["all"])]),
        limits="sites <= 3",
        progress=lambda task, done, total, detail="": shown.append(detail),
    )
    best = max((t for t in trials if t.status == "done"), key=lambda trial: trial.reward)
    assert shown[-1].startswith(f"best {best.placement}, accuracy {best.accuracy:.4f}, front of")
