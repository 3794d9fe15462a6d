import numpy as np
import pandas as pd
import pytest

from ean_search.bench.searchers import digest, summarise, trace_searchers
from ean_search.bench.synthetic import Landscape
from ean_search.bench.tasks import make_landscapes
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")


def test_searchers_are_compared_by_distinct_evaluations(traces):
    frame = summarise(traces)
    assert set(frame.evaluations) == {10, 20, 50, 100}
    assert (frame.rounds == frame.evaluations).all()  # of one worker
    late = frame[frame.evaluations == 100].set_index("searcher")
    assert late.loc["surrogate", "mean"] <= late.loc["random", "mean"]
    assert (late.lower <= late["median"]).all()
    assert np.isnan(late.loc["random", "p_random"])
    assert late["p_ean"].isna().all()
    assert (late.seeds == 6).all()


def test_a_digest_has_one_row_per_searcher(traces):
    short = digest(summarise(traces))
    assert short.searcher.tolist() == ["random", "local", "surrogate"]
    assert short.evaluations.tolist() == [100] * 3
    early = summarise(traces).query("evaluations == 50")
    assert short["mean at 50"].tolist() == early["mean"].tolist()


def test_a_goal_that_is_never_reached_takes_infinitely_long(traces):
    never = traces.assign(**{"until_1.0%": np.nan})
    assert np.isinf(summarise(never)["until_1.0%"]).all()


def test_an_exhaustive_searcher_is_left_out_where_it_cannot_finish(source):
    tasks = [PlacementBench(source), Landscape(16, 0)]
    frame = trace_searchers(["all", "random"], tasks, budget=64)
    assert frame[frame.searcher == "all"].task.unique().tolist() == ["six"]
    assert frame[frame.searcher == "random"].task.nunique() == 2


def test_worker_counts_are_tried_where_the_optimum_can_be_found(source):
    tasks = [PlacementBench(source), PlacementBench(source, sees="one"), Landscape(8, 0)]
    frame = trace_searchers(["random"], tasks, workers=(1, 8), budget=20)
    tried = frame.groupby("task").workers.unique().map(list).to_dict()
    assert tried == {"six": [1, 8], "six, one training": [1], "8 sites": [1]}


def test_an_interrupted_comparison_goes_on_where_it_was(tmp_path):
    tasks, log = make_landscapes([8], 3), tmp_path / "log.jsonl"
    names = ["random", "local"]
    whole = trace_searchers(names, tasks, budget=20)
    trace_searchers(names, tasks[:2], budget=20, log=log)
    seen = []
    resumed = trace_searchers(
        names, tasks, budget=20, log=log, progress=lambda *report: seen.append(report[1])
    )
    assert seen == [3]
    timing = ["ms_per_evaluation"]
    pd.testing.assert_frame_equal(resumed.drop(columns=timing), whole.drop(columns=timing))
    with pytest.raises(UserError, match="other settings: remove it to start anew"):
        trace_searchers(names, tasks, budget=30, log=log)


@pytest.mark.slow
def test_a_comparison_is_the_same_every_time_and_in_any_number_of_processes():
    tasks = make_landscapes([8], 2)
    here = summarise(trace_searchers(["random", "local"], tasks, budget=50))
    there = summarise(trace_searchers(["random", "local"], tasks, budget=50, processes=1))
    timing = ["ms_per_evaluation"]
    pd.testing.assert_frame_equal(here.drop(columns=timing), there.drop(columns=timing))
