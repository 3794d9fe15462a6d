import json

import pandas as pd
import pytest

from ean_search.core.pareto import front, front_hypervolume
from ean_search.core.trial import Cost, Trial
from ean_search.search.status import SearchStatus


def trial(number, space, text, accuracy, latency, status="done"):
    cost = Cost(0, 0, 0, 0, latency, 0)
    reward = accuracy - latency / 100 if accuracy else -1.0
    return Trial(number, 0, space.parse(text), status, accuracy, reward, cost, 0.0)


@pytest.fixture
def trials(tiny):
    return [
        trial(0, tiny, "0000", 0.5, 1.0),
        trial(1, tiny, "1111", 0.9, 4.0, "infeasible"),
        trial(2, tiny, "1100", 0.7, 3.0),
        trial(3, tiny, "1000", 0.6, 2.0),
        trial(4, tiny, "0001", 0.4, 2.5),
        trial(5, tiny, "0011", None, 2.0, "failed"),
    ]


def test_a_search_says_how_good_its_best_and_its_front_are(trials):
    status = SearchStatus("latency_ms", total=8)
    status.add(trials)
    message = status.describe(trials[-3:], [], entropy=0.3)
    done = pd.DataFrame(
        [(t.cost.latency_ms, t.accuracy) for t in trials if t.status == "done"],
        columns=["latency_ms", "accuracy"],
    )
    assert message == "best 1-1-0-0, accuracy 0.7000, front of 3"
    assert message.placement == "1-1-0-0"
    figures = message.figures
    assert figures["front"] == len(front(done)) == 3
    assert figures["hypervolume"] == pytest.approx(front_hypervolume(done))
    assert figures["accuracy"] == pytest.approx(0.5)  # of the cohort
    assert figures["entropy"] == 0.3


def test_before_anything_is_done_it_says_nothing(trials):
    status = SearchStatus("latency_ms", total=8)
    new = status.add(trials[-1:])
    message = status.describe(trials[-1:], new, None)
    assert (message, message.figures) == ("", {})
    failed, state = message.events
    assert (failed["status"], failed["accuracy"]) == ("failed", None)
    assert (state["best_placement"], state["best_accuracy"], state["front_size"]) == (None, None, 0)


def test_events_give_every_trial_and_the_best_one_with_figures_of_their_own(trials):
    status = SearchStatus("latency_ms", total=8)
    first = status.describe(trials[:3], status.add(trials[:3]), None).events
    assert [event["event"] for event in first] == ["trial"] * 3 + ["search_status"]
    for event, told in zip(first[:3], trials[:3], strict=True):
        assert event == {"event": "trial", **json.loads(told.to_json()), "replayed": False}
    cohort = [trials[2], *trials[3:], trials[3]]  # the searcher proposed two placements again
    message = status.describe(cohort, status.add(cohort), 0.3)
    *told_now, state = message.events
    assert [event["number"] for event in told_now] == [3, 4, 5]
    best = trials[2]
    assert (state["best_number"], state["best_placement"]) == (2, str(best.placement))
    assert (state["best_accuracy"], state["best_reward"]) == (best.accuracy, best.reward)
    assert (state["done"], state["total"], state["entropy"]) == (6, 8, 0.3)
    assert message.figures["accuracy"] != best.accuracy  # TensorBoard gets the cohort's mean


def test_trials_that_break_a_limit_and_are_not_in_the_log_are_no_events(tiny):
    status = SearchStatus("latency_ms", total=8)
    assert status.add([trial(-1, tiny, "1111", None, 4.0, "infeasible")]) == []
    assert status.done == 0


def test_events_about_logged_trials_are_marked_as_replayed(trials):
    status = SearchStatus("latency_ms", total=8, num_logged=2)
    marks = []
    for cohort in (trials[:2], trials[2:4]):
        events = status.describe(cohort, status.add(cohort), None).events
        marks.append([event["replayed"] for event in events])
    assert marks == [[True, True, True], [False, False, False]]
