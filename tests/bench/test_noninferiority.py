import numpy as np
import pandas as pd
import pytest

from ean_search.bench.noninferiority import compare_with_default


def make_traces(ratio, sites=8, seeds=50, spread=0.1, names=("mine", "other", "third")):
    rng, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        for name in names:
            value = 20 * np.exp(spread * rng.normal()) * (ratio if name == "mine" else 1)
            base = {"task": "t", "workers": 1, "seed": seed, "searcher": name, "sites": sites}
            rows += [
                base
                | {"goal_in_sight": True, "until_1.0%": value, "evaluations": n, "regret": value}
                for n in (50, 100, 300)
            ]
    return pd.DataFrame(rows)


def test_a_clearly_better_searcher_is_no_worse_and_a_worse_one_is():
    better = compare_with_default(make_traces(0.8), "mine")
    assert better.rival.tolist() == ["other", "third"]
    assert better.ratio.to_numpy() == pytest.approx(0.8, rel=0.05)
    assert better.no_worse.all()
    worse = compare_with_default(make_traces(1.2), "mine")
    assert not worse.no_worse.any()


def test_few_noisy_pairs_prove_nothing():
    frame = compare_with_default(make_traces(0.95, seeds=5, spread=0.8), "mine")
    assert (frame.upper_bound > 1.1).all()
    assert not frame.no_worse.any()


def test_bounds_widen_with_the_number_of_rivals():
    few = compare_with_default(make_traces(1.0, names=("mine", "other")), "mine")
    many = compare_with_default(make_traces(1.0, names=("mine", "other", *"abcdefgh")), "mine")
    assert (few.pairs == 50).all()
    gap = np.log(many.upper_bound / many.ratio).mean() / np.log(few.upper_bound / few.ratio).mean()
    assert 1.3 < gap < 1.9


def test_a_goal_that_is_not_reached_counts_as_the_budget():
    traces = make_traces(1.0)
    traces.loc[traces.searcher == "mine", "until_1.0%"] = np.nan
    assert (compare_with_default(traces, "mine").ratio > 10).all()


def test_large_spaces_are_judged_by_regret_twice():
    frame = compare_with_default(make_traces(1.0, sites=54), "mine")
    assert frame.figure.unique().tolist() == ["regret at 100", "regret at 300"]


def test_without_the_default_there_is_nothing_to_say():
    assert not len(compare_with_default(make_traces(1.0), "absent"))
