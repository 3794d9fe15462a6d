import json

import pandas as pd
import pytest

from ean_search.bench import supernet
from ean_search.bench.supernet import bench_supernet, compare
from ean_search.bench.truth import f_statistic, read_truth, train_all
from ean_search.experiment import load_experiment
from ean_search.lookup import UserError
from ean_search.run import resolve

SMALL = {
    "space": {"base": "tiny"},
    "data.options": {"train": 300, "test": 20},
    "data.search_per_class": 10,
    "supernet.recipe.epochs": 1,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def experiment():
    return resolve(load_experiment(None, SMALL))


@pytest.fixture(scope="module")
def truth(tmp_path_factory, experiment, one_thread):
    path = tmp_path_factory.mktemp("truth") / "truth.jsonl"
    train_all(experiment, path, seeds=1)
    return path


def test_every_placement_is_trained_once(truth, experiment):
    frame = read_truth(truth)
    assert set(frame.placement) == {str(p) for p in experiment.space.enumerate()}
    before = truth.read_bytes()
    train_all(experiment, truth, seeds=1)
    assert truth.read_bytes() == before


def test_what_is_missing_is_trained_and_comes_out_the_same(truth, experiment, tmp_path):
    lines = truth.read_text().splitlines()
    part = tmp_path / "part.jsonl"
    part.write_text("\n".join(lines[:-2]) + "\n")
    frame = train_all(experiment, part, seeds=1)
    assert frame.accuracy.tolist() == read_truth(truth).accuracy.tolist()


def test_rules_are_compared_with_truth(truth, experiment, monkeypatch, tmp_path):
    path = tmp_path / "two.jsonl"
    again = [json.loads(line) | {"seed": 1} for line in truth.read_text().splitlines()]
    path.write_text(truth.read_text() + "".join(json.dumps(row) + "\n" for row in again))
    monkeypatch.setattr(supernet, "RULES", supernet.RULES[-2:])
    frame, noise = bench_supernet(experiment, path, seeds=2)
    assert len(frame) == 2 * 2 * len(supernet.CALIBRATION)
    assert frame.tau.between(-1, 1).all()
    assert noise["tau_between_seeds"] == pytest.approx(1)


def test_a_perfect_estimate_ranks_perfectly():
    truth = pd.Series([0.1, 0.5, 0.3, 0.9, 0.2, 0.4], index=list("abcdef"))
    found = compare(truth.sample(frac=1, random_state=0), truth)
    assert found == {"tau": pytest.approx(1), "spearman": pytest.approx(1), "top5_regret": 0}
    assert compare(-truth, truth)["tau"] == pytest.approx(-1)


def test_the_f_statistic_sees_through_what_seeds_share():
    rows = [
        {"placement": p, "seed": s, "accuracy": 0.5 + 0.1 * p + 0.3 * s + 0.01 * ((p + s) % 2)}
        for p in range(4)
        for s in range(3)
    ]
    assert f_statistic(pd.DataFrame(rows)) > 100


def test_large_spaces_are_refused(tmp_path):
    large = resolve(load_experiment(None, SMALL | {"space": {"base": "resnet50_shared"}}))
    with pytest.raises(UserError, match="at most 1024 placements"):
        train_all(large, tmp_path / "truth.jsonl", seeds=1)
