import json
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from ean_search.bench.ground_truth import (
    best_tau,
    f_statistic,
    missing_trainings,
    noise_statistics,
    read_truth,
    take_part,
    train_all,
)
from ean_search.runs.experiment import load_experiment
from ean_search.runs.resolve_experiment import resolve
from ean_search.utils.errors import UserError


@pytest.fixture(scope="module")
def truth(tmp_path_factory, experiment, one_thread):
    path = tmp_path_factory.mktemp("truth") / "truth.jsonl"
    for part in ((1, 2), (2, 2)):
        train_all(experiment, path, seeds=1, part=part)
    return path


@pytest.mark.slow
def test_every_placement_is_trained_once(truth, experiment):
    frame = read_truth(truth)
    assert set(frame.placement) == {str(p) for p in experiment.space.enumerate()}
    before = truth.read_bytes()
    train_all(experiment, truth, seeds=1)
    assert truth.read_bytes() == before


@pytest.mark.slow
def test_missing_trainings_are_done_and_come_out_the_same(truth, experiment, tmp_path):
    lines = truth.read_text().splitlines()
    part = tmp_path / "part.jsonl"
    part.write_text("\n".join(lines[:-2]) + "\n")
    assert len(missing_trainings(experiment, part, seeds=1)) == 2
    frame = train_all(experiment, part, seeds=1)
    assert frame.accuracy.tolist() == read_truth(truth).accuracy.tolist()


@pytest.mark.slow
def test_a_pilot_trains_a_few_placements_and_counts_for_the_whole(truth, experiment, tmp_path):
    path = tmp_path / "pilot.jsonl"
    frame = train_all(experiment, path, seeds=1, pilot=3)
    assert len(frame) == 3
    assert {"0-0-0-0", "1-1-1-1"} < set(frame.placement)
    whole = read_truth(truth).set_index("placement").accuracy
    assert (frame.accuracy == whole[frame.placement].to_numpy()).all()
    assert len(missing_trainings(experiment, path, seeds=1)) == len(whole) - 3


@pytest.mark.slow
def test_trainings_of_different_origins_do_not_mix(truth, experiment_fields):
    longer = resolve(load_experiment(None, experiment_fields | {"supernet.recipe.epochs": 2}))
    with pytest.raises(UserError, match=r"results of other settings, see .*_origin\.json"):
        train_all(longer, truth, seeds=1)


@pytest.mark.slow
def test_a_setting_that_was_added_later_does_not_change_the_origin(truth, experiment, tmp_path):
    path = tmp_path / "old.jsonl"
    path.write_text(truth.read_text())
    origin = json.loads(truth.with_name("truth_origin.json").read_text())
    del origin["data"]["download"]
    (tmp_path / "old_origin.json").write_text(json.dumps(origin))
    train_all(experiment, path, seeds=1)
    assert path.read_text() == truth.read_text()


@pytest.mark.slow
def test_a_training_that_was_done_twice_counts_once(truth, tmp_path):
    twice = tmp_path / "twice.jsonl"
    twice.write_text(2 * truth.read_text())
    pd.testing.assert_frame_equal(read_truth(twice), read_truth(truth))


def make_accuracies(noise):
    return pd.DataFrame(
        [[0.5 + 0.1 * p + 0.3 * s + noise(p, s) for s in range(3)] for p in range(8)]
    )


def test_the_f_statistic_ignores_differences_that_all_placements_share():
    assert f_statistic(make_accuracies(lambda p, s: 0.01 * ((p + s) % 2))) > 100


def test_the_statistics_tell_whether_placements_differ_at_all():
    clear = noise_statistics(make_accuracies(lambda p, s: 0.01 * ((p + s) % 2)))
    assert clear["p_value"] < 1e-6
    assert clear["tau_between_seeds"] == pytest.approx(1)
    muddy = noise_statistics(make_accuracies(lambda p, s: ((7 * p + 3 * s) % 5) - 0.1 * p))
    assert muddy["p_value"] > 0.05
    assert muddy["tau_between_seeds"] < 0.5


def test_the_best_tau_is_what_a_perfect_ranking_reaches_on_noisy_means():
    rng = np.random.default_rng(0)
    truth, noise = rng.normal(size=(1000, 1)), rng.normal(size=(1000, 3))
    accuracies = pd.DataFrame(truth + noise)
    tau = kendalltau(truth[:, 0], accuracies.mean(axis=1)).statistic
    assert noise_statistics(accuracies)["best_tau"] == pytest.approx(tau, abs=0.03)
    assert best_tau(0.8) == 0


def test_large_spaces_are_refused(tmp_path, experiment_fields):
    large = resolve(
        load_experiment(None, experiment_fields | {"space": {"base": "resnet50_shared"}})
    )
    with pytest.raises(UserError, match="at most 1024 placements"):
        train_all(large, tmp_path / "truth.jsonl", seeds=1)


def test_parts_are_even_and_leave_nothing_out():
    parts = [take_part(list(range(10)), (number, 3)) for number in (1, 2, 3)]
    assert sorted(chain(*parts)) == list(range(10))
    assert max(map(len, parts)) - min(map(len, parts)) == 1
