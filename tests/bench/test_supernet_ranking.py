import numpy as np
import pandas as pd
import pytest

from ean_search.bench import supernet_estimates
from ean_search.bench.supernet_estimates import VARIANTS, plan_networks
from ean_search.bench.supernet_ranking import average, bench_supernet, compare_ranking
from ean_search.utils.errors import UserError

TWO_VARIANTS = {name: VARIANTS[name] for name in ("sandwich, distilled", "other gates")}


@pytest.mark.slow
def test_variants_are_compared_with_truth_and_nothing_is_trained_twice(
    experiment, accuracies, tmp_path, monkeypatch, one_thread
):
    path = tmp_path / "estimates.jsonl"

    def plan(part=(1, 1)):
        return [plan_networks(experiment, TWO_VARIANTS, epochs=4, seeds=1, part=part)]

    for part in ((1, 2), (2, 2)):
        frame = bench_supernet(experiment, accuracies, path, plan(part))
    assert frame.variant.tolist() == ["sandwich, distilled"] * 2 + ["other gates"] * 2
    assert frame.calibration_images.tolist() == [0, 256] * 2
    assert frame.tau.between(-1, 1).all()
    both = average(pd.concat([frame, frame.assign(seed=1, tau=1 - frame.tau)]))
    assert (both.tau.tolist(), both.seeds.tolist()) == (pytest.approx([0.5] * 4), [2] * 4)
    monkeypatch.setattr(supernet_estimates, "train_supernet", None)
    again = bench_supernet(experiment, accuracies, path, plan())
    pd.testing.assert_frame_equal(again, frame)
    with pytest.raises(UserError, match="expected all 16 placements trained alone, got 15"):
        bench_supernet(experiment, accuracies.iloc[1:], path, plan())
    with pytest.raises(UserError, match="a multiple of 4 epochs for 'sandwich', got 6"):
        plan_networks(experiment, TWO_VARIANTS, epochs=6)


@pytest.mark.slow
def test_schedules_are_compared_side_by_side(experiment, accuracies, tmp_path, one_thread):
    variants = {"other gates": VARIANTS["other gates"]}
    plans = [plan_networks(experiment, variants, epochs=n, seeds=1) for n in (1, 2)]
    frame = bench_supernet(experiment, accuracies, tmp_path / "estimates.jsonl", plans)
    assert frame.epochs.tolist() == [1, 1, 2, 2]
    assert average(frame).epochs.tolist() == [1, 1, 2, 2]


def test_a_perfect_estimate_ranks_perfectly():
    truth = pd.Series(np.arange(40) / 40, index=[f"{i}" for i in range(40)])
    perfect = compare_ranking(truth.sample(frac=1, random_state=0), truth)
    assert perfect == {
        "tau": pytest.approx(1),
        "spearman": pytest.approx(1),
        "tau_top_tenth": pytest.approx(1),
        "top5_regret": 0,
    }
    worst = compare_ranking(-truth, truth)
    assert worst["tau"] == pytest.approx(-1)
    assert worst["top5_regret"] == pytest.approx(35 / 40)


def test_the_best_tenth_is_ranked_apart_from_the_rest():
    truth = pd.Series(np.arange(40) / 40, index=[f"{i}" for i in range(40)])
    figures = compare_ranking(truth.where(truth < 0.9, 1.8 - truth), truth)
    assert figures["tau"] > 0.9
    assert figures["tau_top_tenth"] == pytest.approx(-1)
