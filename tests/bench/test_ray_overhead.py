import pandas as pd
import pytest

from ean_search.bench.ray_overhead import (
    bench_tune,
    make_untrained_evaluator,
    measure_under_kills,
    search_history,
)
from ean_search.bench.timing import TimingSettings
from ean_search.distributed.config import Workers


@pytest.fixture(scope="module")
def untrained(one_thread):
    from ean_search.core.space import load_space

    return make_untrained_evaluator(load_space("tiny"), 60, 32)


def test_an_untrained_network_is_right_without_attention_and_often_wrong_with_it(untrained, tiny):
    accuracies = {
        str(placement): result.accuracy
        for placement, result in zip(
            tiny.enumerate(), untrained.evaluate(tiny.enumerate()), strict=True
        )
    }
    assert accuracies["0-0-0-0"] == 1
    assert len(set(accuracies.values())) > 3


def test_a_history_is_the_same_every_time_and_depends_on_the_seed(untrained, tiny):
    one = search_history(tiny, untrained, "reinforce", 0)
    assert one == search_history(tiny, untrained, "reinforce", 0)
    assert one != search_history(tiny, untrained, "reinforce", 1)
    assert len(one) == tiny.size


@pytest.mark.slow
def test_workers_are_measured_and_give_the_same_histories(ray_here, tiny, one_thread):
    timing = TimingSettings(image_size=32, images=4, rounds=1)
    frames = dict(bench_tune(tiny, tiny, [Workers(count=1, cpus=1)], timing))
    assert list(frames) == ["tune_speed", "tune_overhead"]
    speed, overhead = frames["tune_speed"].iloc[0], frames["tune_overhead"].iloc[0]
    assert (speed.workers, speed.against_first) == (1, 1)
    assert speed.placements_per_s > 0
    assert overhead.histories_equal
    assert overhead.startup_s > 0
    assert overhead.trials >= 1
    assert pd.notna(overhead.kB_a_trial)


@pytest.mark.slow
def test_histories_are_the_same_while_workers_are_killed(ray_here, tiny, one_thread):
    row = measure_under_kills(tiny, Workers(count=1, cpus=1), kills=1)
    assert (row["kills"], row["histories_equal"]) == (1, True)
    assert row["searches"] >= 1
