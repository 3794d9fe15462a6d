from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ean_search.bench.curves import plot_regret
from ean_search.bench.landscapes import POINT, Landscape
from ean_search.bench.searchers import bench_searchers, regret, summarise, trace_searchers
from ean_search.searchers.toy import Toy

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def traces():
    return trace_searchers(["random", "local", "surrogate"], [8], seeds=6, budget=100)


def test_rewards_spread_by_one_accuracy_point_and_end_where_they_are_said_to():
    landscape = Landscape(8, 1, triples=0.2)
    rewards = [landscape.reward(p) for p in landscape.problem.space.enumerate()]
    assert np.std(rewards) == pytest.approx(POINT)
    assert landscape.ends == pytest.approx((min(rewards), max(rewards)))


def test_annealing_finds_what_listing_finds():
    landscape = Landscape(12, 3, triples=0.1)
    low, high = landscape.ends
    assert landscape._anneal(1.0) == pytest.approx((high - 0.6) / POINT)
    assert -landscape._anneal(-1.0) == pytest.approx((low - 0.6) / POINT)


def test_a_measurement_is_noisy_but_always_the_same():
    landscape = Landscape(8, 0)
    placements = landscape.problem.space.enumerate()
    once, twice = ([m.accuracy for m in landscape.evaluate(placements)] for _ in range(2))
    assert once == twice
    costs = [landscape.problem.price(p) for p in placements]
    rewards = [landscape.problem.reward(a, c) for a, c in zip(once, costs, strict=True)]
    noise = np.array(rewards) - [landscape.reward(p) for p in placements]
    assert noise.std() == pytest.approx(0.1 * POINT, rel=0.2)


def test_landscapes_of_other_seeds_differ():
    none = Landscape(16, 0).problem.space.named["none"]
    assert Landscape(16, 0).reward(none) != Landscape(16, 1).reward(none)


def test_regret_follows_the_measured_best():
    landscape = Landscape(8, 0)
    toy = Toy(landscape.problem.space)
    placements = landscape.problem.space.enumerate()[:3]
    told = [
        replace(toy.trial(p, 0, 0, "done"), reward=reward)
        for p, reward in zip(placements, (0.5, 0.4, 0.6), strict=True)
    ]
    top = landscape.ends[1]
    lacks = [(top - landscape.reward(p)) / POINT for p in placements]
    assert regret(told, landscape) == pytest.approx([lacks[0], lacks[0], lacks[2]])


def test_the_table_compares_searchers_by_distinct_evaluations(traces):
    frame = summarise(traces)
    assert set(frame.evaluations) == {50, 100}
    late = frame[frame.evaluations == 100].set_index("searcher")
    assert late.loc["surrogate", "mean"] <= late.loc["random", "mean"]
    assert (late.lower <= late["median"]).all()
    assert np.isnan(late.loc["random", "p_random"])
    assert late["p_ean"].isna().all()
    assert (late.seeds == 6).all()


def test_who_never_arrives_takes_for_ever(traces):
    never = traces.assign(**{"until_1.0%": np.nan})
    assert np.isinf(summarise(never)["until_1.0%"]).all()


def test_regret_is_drawn_with_a_line_for_each_searcher(traces):
    frame = pd.concat([summarise(traces), summarise(traces).assign(sites=9)])
    figure = plot_regret(frame)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["8 sites", "9 sites"]
    assert len(figure.axes[0].lines) == 3
    assert figure.axes[0].get_yscale() == "log"


def test_a_comparison_is_the_same_every_time():
    one, other = (bench_searchers(["random"], [8], seeds=2, budget=50) for _ in range(2))
    timing = ["ms_per_evaluation"]
    pd.testing.assert_frame_equal(one.drop(columns=timing), other.drop(columns=timing))
