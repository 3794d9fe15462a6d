from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ean_search.bench.plots import plot_regret
from ean_search.bench.searchers import bench_searchers, digest, summarise, trace_searchers
from ean_search.bench.simulate import checkpoints, coverage, regret, rounds, run_searcher
from ean_search.bench.synthetic import POINT, Landscape
from ean_search.bench.tasks import make_landscapes, make_tables
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.testing.toy import Toy
from ean_search.utils.errors import UserError
from tests.synthetic import SPACE, write_synthetic

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def traces():
    return trace_searchers(["random", "local", "surrogate"], make_landscapes([8], 6), budget=100)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("tables") / "six.parquet")


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


def test_a_digest_has_a_row_for_each_searcher(traces):
    short = digest(summarise(traces))
    assert short.searcher.tolist() == ["random", "local", "surrogate"]
    assert short.evaluations.tolist() == [100] * 3
    early = summarise(traces).query("evaluations == 50")
    assert short["mean at 50"].tolist() == early["mean"].tolist()


def test_who_never_arrives_takes_for_ever(traces):
    never = traces.assign(**{"until_1.0%": np.nan})
    assert np.isinf(summarise(never)["until_1.0%"]).all()


def test_a_table_s_optimum_is_found_where_its_mean_is_seen(source):
    (*_, last) = run_searcher("all", PlacementBench(source), workers=1, budget=900)
    assert (last["evaluations"], last["regret"], last["hypervolume"]) == (64, 0, 1)
    assert last["until_0.1%"] <= 64


def test_a_run_ends_where_it_can_learn_no_better(source):
    table = PlacementBench(source, sees="one")
    rows = run_searcher("all", table, workers=1, budget=900)
    assert rows[-1]["rounds"] < 64
    assert np.isnan(rows[-1]["hypervolume"])
    rewards = {p: table.problem.reward(table.accuracy(p), c) for p, c in table.costs.items()}
    liked = max(rewards, key=rewards.get)
    assert rewards[liked] == table.best_observable_reward
    assert rows[-1]["regret"] == (table.ends[1] - table.reward(liked)) / table.spread


def test_who_sees_one_training_keeps_some_regret(source):
    tasks = make_tables([source], 3)[3:]
    assert {task.name for task in tasks} == {"six, one training"}
    floor = [run_searcher("all", task, workers=1, budget=900)[-1]["regret"] for task in tasks]
    assert max(floor) > 0


def test_an_exhaustive_searcher_is_left_out_where_it_cannot_finish(source):
    tasks = [PlacementBench(source), Landscape(16, 0)]
    frame = trace_searchers(["all", "random"], tasks, budget=64)
    assert frame[frame.searcher == "all"].task.unique().tolist() == ["six"]
    assert frame[frame.searcher == "random"].task.nunique() == 2


def test_a_step_takes_as_many_rounds_as_its_workers_need():
    toy = Toy(SPACE)
    steps = (0, 0, 0, 1, 1, 1, 1, 1, 2)
    told = [toy.trial(SPACE.named["all"], i, step, "done") for i, step in enumerate(steps)]
    assert rounds(told, 1).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert rounds(told, 4).tolist() == [1, 1, 1, 2, 2, 2, 2, 3, 4]
    assert rounds(told, 64).tolist() == [1] * 3 + [2] * 5 + [3]


def test_many_workers_save_time(source):
    one, many = (
        run_searcher("local", PlacementBench(source), n, budget=64)[-1]["rounds"] for n in (1, 64)
    )
    assert one == 64
    assert many < 10


def test_options_may_follow_a_searcher_s_name(source):
    table = PlacementBench(source, objective="accuracy - 0.02 latency")
    alone, front = (
        [row["hypervolume"] for row in run_searcher(name, table, workers=1, budget=50)]
        for name in ("optuna-tpe", "optuna-tpe multi=true")
    )
    assert alone != front
    with pytest.raises(UserError, match="unknown option of searcher 'local': 'multi'"):
        run_searcher("local multi=true", table, workers=1, budget=50)


def test_worker_counts_are_tried_where_the_optimum_can_be_found(source):
    tasks = [PlacementBench(source), PlacementBench(source, sees="one"), Landscape(8, 0)]
    frame = trace_searchers(["random"], tasks, workers=(1, 8), budget=20)
    tried = frame.groupby("task").workers.unique().map(list).to_dict()
    assert tried == {"six": [1, 8], "six, one training": [1], "8 sites": [1]}


def test_the_hypervolume_is_a_share_of_the_true_front_s(source):
    table = PlacementBench(source)
    everything = SPACE.enumerate()
    assert coverage(table, everything) == 1
    assert coverage(table, [everything[-1]]) == 0  # nothing is slower than all
    assert 0 < coverage(table, everything[:8]) < 1
    assert np.isnan(coverage(Landscape(8, 0), everything))


def test_the_last_checkpoint_is_the_budget():
    assert checkpoints(64) == [10, 20, 50, 64]
    assert checkpoints(50) == [10, 20, 50]


def test_regret_is_drawn_for_each_task_and_worker_count(traces):
    other = traces.assign(task="a table", workers=8, rounds=traces.rounds // 8)
    figure = plot_regret(summarise(pd.concat([traces, other])))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["8 sites", "a table, 8 workers"]
    assert [len(axes.lines) for axes in figure.axes] == [3, 3]
    assert figure.axes[0].get_yscale() == "log"


def test_a_comparison_is_the_same_every_time_and_in_any_number_of_processes():
    tasks = make_landscapes([8], 2)
    here = bench_searchers(["random", "local"], tasks, budget=50)
    there = bench_searchers(["random", "local"], tasks, budget=50, processes=1)
    timing = ["ms_per_evaluation"]
    pd.testing.assert_frame_equal(here.drop(columns=timing), there.drop(columns=timing))
