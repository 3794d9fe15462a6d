from dataclasses import replace

import numpy as np
import pytest

from ean_search.bench.simulate import (
    RecommendationRecorder,
    compute_regrets,
    count_rounds,
    hypervolume_share,
    list_checkpoints,
    run_searcher,
)
from ean_search.bench.synthetic import REWARD_STD, Landscape
from ean_search.bench.tasks import make_tables
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.testing.toy import ToyLandscape
from ean_search.utils.errors import UserError
from tests.synthetic import SPACE

pytestmark = pytest.mark.usefixtures("one_thread")


def test_regret_is_that_of_what_the_searcher_recommends():
    landscape = Landscape(8, 0)
    toy = ToyLandscape(landscape.problem.space)
    placements = landscape.problem.space.enumerate()[:3]
    trials = [
        replace(toy.trial(p, number, 0, "done"), reward=reward)
        for number, (p, reward) in enumerate(zip(placements, (0.5, 0.4, 0.6), strict=True))
    ]
    recorder = RecommendationRecorder(make_searcher("random", landscape.problem))
    recorder.tell(trials[:2])
    recorder.tell(
        [trials[0], trials[2], replace(trials[1], number=-1)]
    )  # one known, one not logged
    assert recorder.recommended == [placements[0], placements[0], placements[2]]
    _, highest = landscape.reward_range
    gaps = [(highest - landscape.reward(p)) / REWARD_STD for p in recorder.recommended]
    assert compute_regrets(recorder.recommended, landscape) == pytest.approx(gaps)


def test_a_searcher_with_a_model_learns_on_after_the_best_measurement(source):
    tables = make_tables([source], 3)[3:]
    rounds = {
        name: [run_searcher(name, table, workers=1, budget=64)[-1]["rounds"] for table in tables]
        for name in ("random", "reinforce")
    }
    assert min(rounds["random"]) < 64
    assert rounds["reinforce"] == [64, 64, 64]


def test_the_optimum_of_a_table_is_found_where_its_mean_is_seen(source):
    (*_, last) = run_searcher("all", PlacementBench(source), workers=1, budget=900)
    assert (last["evaluations"], last["regret"], last["hypervolume"]) == (64, 0, 1)
    assert last["until_0.1%"] <= 64


def test_a_run_ends_once_its_regret_is_final(source):
    table = PlacementBench(source, sees="one")
    rows = run_searcher("all", table, workers=1, budget=900)
    assert rows[-1]["rounds"] < 64
    assert np.isnan(rows[-1]["hypervolume"])
    rewards = {p: table.problem.reward(table.accuracy(p), c) for p, c in table.costs.items()}
    best_seen = max(rewards, key=rewards.get)
    assert rewards[best_seen] == table.best_observable_reward
    gap = table.reward_range[1] - table.reward(best_seen)
    assert rows[-1]["regret"] == gap / table.reward_std


def test_some_regret_is_left_if_one_training_is_seen(source):
    tasks = make_tables([source], 3)[3:]
    assert {task.name for task in tasks} == {"six, one training"}
    least = [run_searcher("all", task, workers=1, budget=900)[-1]["regret"] for task in tasks]
    assert max(least) > 0


def test_a_step_takes_as_many_rounds_as_its_workers_need():
    toy = ToyLandscape(SPACE)
    steps = (0, 0, 0, 1, 1, 1, 1, 1, 2)
    trials = [toy.trial(SPACE.named["all"], i, step, "done") for i, step in enumerate(steps)]
    assert count_rounds(trials, 1).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert count_rounds(trials, 4).tolist() == [1, 1, 1, 2, 2, 2, 2, 3, 4]
    assert count_rounds(trials, 64).tolist() == [1] * 3 + [2] * 5 + [3]


def test_many_workers_save_time(source):
    alone, together = (
        run_searcher("local", PlacementBench(source), n, budget=64)[-1]["rounds"] for n in (1, 64)
    )
    assert alone == 64
    assert together < 10


@pytest.mark.slow
def test_options_may_follow_the_name_of_a_searcher(source):
    table = PlacementBench(source, objective="accuracy - 0.02 latency")
    single, multi = (
        [row["hypervolume"] for row in run_searcher(name, table, workers=1, budget=50)]
        for name in ("optuna-tpe", "optuna-tpe multi=true")
    )
    assert single != multi
    with pytest.raises(UserError, match="unknown option of searcher 'local': 'multi'"):
        run_searcher("local multi=true", table, workers=1, budget=50)


def test_the_hypervolume_is_a_share_of_that_of_the_true_front(source):
    table = PlacementBench(source)
    everything = SPACE.enumerate()
    assert hypervolume_share(table, everything) == 1
    assert hypervolume_share(table, [everything[-1]]) == 0  # nothing is slower than all
    assert 0 < hypervolume_share(table, everything[:8]) < 1
    assert np.isnan(hypervolume_share(Landscape(8, 0), everything))


def test_the_last_checkpoint_is_the_budget():
    assert list_checkpoints(64) == [10, 20, 50, 64]
    assert list_checkpoints(50) == [10, 20, 50]
