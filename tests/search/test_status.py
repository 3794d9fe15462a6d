import pandas as pd
import pytest

from ean_search.core.pareto import front, front_hypervolume
from ean_search.core.trial import Cost, Trial
from ean_search.search.status import SearchStatus


def trial(space, text, accuracy, latency, status="done"):
    cost = Cost(0, 0, 0, 0, latency, 0)
    reward = accuracy - latency / 100 if accuracy else -1.0
    return Trial(0, 0, space.parse(text), status, accuracy, reward, cost, 0.0)


@pytest.fixture
def trials(tiny):
    return [
        trial(tiny, "0000", 0.5, 1.0),
        trial(tiny, "1111", 0.9, 4.0, "infeasible"),
        trial(tiny, "1100", 0.7, 3.0),
        trial(tiny, "1000", 0.6, 2.0),
        trial(tiny, "0001", 0.4, 2.5),
        trial(tiny, "0011", None, 2.0, "failed"),
    ]


def test_a_search_says_how_good_its_best_and_its_front_are(trials):
    status = SearchStatus("latency_ms")
    status.add(trials)
    message = status.describe(trials[-3:], entropy=0.3)
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
    status = SearchStatus("latency_ms")
    status.add(trials[-1:])
    assert status.describe(trials[-1:], None) == ""
