import numpy as np
import pandas as pd
import pytest

from ean_search.bench import estimates
from ean_search.bench.make_table import TablePaths, make_table
from ean_search.bench.supernet_estimates import VARIANTS, Variant, own_variant, plan_epochs
from ean_search.bench.supernet_ranking import average, bench_supernet, compare
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import resolve
from ean_search.search.tabular.placement_bench import PlacementBench, select
from ean_search.training.supernet import Supernet
from ean_search.utils.errors import UserError
from ean_search.utils.jsonl import append_row
from tests.bench.test_ground_truth import TINIEST

TWO = {name: VARIANTS[name] for name in ("sandwich, distilled", "other gates")}


@pytest.fixture(scope="module")
def experiment():
    return resolve(load_experiment(None, TINIEST))


@pytest.fixture(scope="module")
def accuracies(experiment):
    names = [str(placement) for placement in experiment.space.enumerate()]
    return pd.DataFrame(np.random.default_rng(0).random((len(names), 2)), index=names)


def test_variants_are_compared_with_truth_and_nothing_is_trained_twice(
    experiment, accuracies, tmp_path, monkeypatch, one_thread
):
    path = tmp_path / "estimates.jsonl"
    settings = {"seeds": 1, "epochs": [4], "variants": TWO}
    for part in ((1, 2), (2, 2)):
        frame = bench_supernet(experiment, accuracies, path, part=part, **settings)
    assert frame.variant.tolist() == ["sandwich, distilled"] * 2 + ["other gates"] * 2
    assert frame.calibration_images.tolist() == [0, 256] * 2
    assert frame.tau.between(-1, 1).all()
    both = average(pd.concat([frame, frame.assign(seed=1, tau=1 - frame.tau)]))
    assert (both.tau.tolist(), both.seeds.tolist()) == (pytest.approx([0.5] * 4), [2] * 4)
    monkeypatch.setattr(estimates, "train_supernet", None)
    again = bench_supernet(experiment, accuracies, path, **settings)
    pd.testing.assert_frame_equal(again, frame)
    with pytest.raises(UserError, match="expected all 16 placements trained alone, got 15"):
        bench_supernet(experiment, accuracies.iloc[1:], path, **settings)
    with pytest.raises(UserError, match="a multiple of 4 epochs for 'sandwich', got 6"):
        bench_supernet(experiment, accuracies, path, **settings | {"epochs": [8, 6]})


def test_schedules_are_judged_side_by_side(experiment, accuracies, tmp_path, one_thread):
    path, one = tmp_path / "estimates.jsonl", {"other gates": VARIANTS["other gates"]}
    frame = bench_supernet(experiment, accuracies, path, seeds=1, epochs=[1, 2], variants=one)
    assert frame.epochs.tolist() == [1, 1, 2, 2]
    assert average(frame).epochs.tolist() == [1, 1, 2, 2]


def test_networks_see_as_many_images_as_trainings_or_the_next_more_that_passes_divide(experiment):
    recipe = experiment.supernet.recipe.model_copy(update={"epochs": 7})
    supernet = experiment.supernet.model_copy(update={"recipe": recipe})
    some = {name: VARIANTS[name] for name in ("per sample", "complement", "sandwich")}
    three = experiment.space.model_copy(update={"attention": 2 * experiment.space.attention})
    for space, expected in ((experiment.space, [7, 8, 8]), (three, [7, 9, 8])):
        longer = experiment.model_copy(update={"supernet": supernet, "space": space})
        assert list(plan_epochs(longer, some, None).values()) == expected
    with pytest.raises(UserError, match="a multiple of 3 epochs for 'complement', got 4"):
        plan_epochs(longer, some, 4)


def test_a_perfect_estimate_ranks_perfectly():
    truth = pd.Series(np.arange(40) / 40, index=[f"{i}" for i in range(40)])
    perfect = compare(truth.sample(frac=1, random_state=0), truth)
    assert perfect == {
        "tau": pytest.approx(1),
        "spearman": pytest.approx(1),
        "tau_top_tenth": pytest.approx(1),
        "top5_regret": 0,
    }
    worst = compare(-truth, truth)
    assert worst["tau"] == pytest.approx(-1)
    assert worst["top5_regret"] == pytest.approx(35 / 40)


def test_the_best_tenth_is_judged_apart_from_the_rest():
    truth = pd.Series(np.arange(40) / 40, index=[f"{i}" for i in range(40)])
    found = compare(truth.where(truth < 0.9, 1.8 - truth), truth)
    assert found["tau"] > 0.9
    assert found["tau_top_tenth"] == pytest.approx(-1)


def test_an_experiment_s_own_way_is_known_by_its_name():
    assert own_variant(Supernet()) == ("uniform-count", Variant())
    assert own_variant(Supernet(sampler="sandwich"))[0] == "sandwich, distilled"
    assert own_variant(Supernet(sampler="sandwich", distil=False))[0] == "sandwich"
    assert own_variant(Supernet(sampler="bernoulli", per_sample=True))[0] == "own"


def test_a_table_is_made_of_trainings_estimates_and_costs(experiment, tmp_path, one_thread):
    shop = TablePaths(*(tmp_path / name for name in ("truth.jsonl", "est.jsonl", "made.parquet")))
    for number, placement in enumerate(experiment.space.enumerate()[:-1]):
        for seed in (0, 1):
            row = {"placement": str(placement), "seed": seed, "accuracy": 0.5 + 0.01 * number}
            append_row(shop.truth, row)
    work = {"seeds": 2, "epochs": 4}
    assert make_table(experiment, shop, part=(1, 2), **work) == 3  # with one network for all
    assert not shop.table.is_file()
    assert make_table(experiment, shop, part=(2, 2), **work) == 0
    table = PlacementBench(str(shop.table))
    for what in ("accuracy", "estimate", "recalibrated"):
        assert select(table.frame, what).shape == (16, 2)
        assert select(table.frame, what).notna().all(axis=None)
    assert table.costs[table.problem.space.named["all"]].sites == 4
    about = table.about
    assert about["estimates_by"] == "uniform-count"
    assert {"f_statistic", "tau_between_seeds"} <= set(about["noise"])
    assert about["provenance"]["hardware"]
    assert load_experiment(None, about["experiment"]) == experiment
    with pytest.raises(UserError, match="at least 2 seeds"):
        make_table(experiment, shop, seeds=1)
