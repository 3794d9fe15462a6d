from pathlib import Path

import pandas as pd
import pytest

from ean_search.bench.evidence import ComparisonPlan, add_rows, bench_evidence
from ean_search.runs.experiment import load_experiment
from ean_search.utils.errors import UserError

SHIPPED = sorted((Path(__file__).parents[2] / "experiments").glob("evidence_*.yaml"))


@pytest.fixture
def chain_fields(experiment_fields):
    """Return the fields of an experiment whose search and retraining are short."""
    return experiment_fields | {
        "data.options": {"train": 400, "test": 100},
        "data.search_per_class": 20,
        "search.searcher": "reinforce",
        "search.budget": 12,
        "retrain.epochs": 1,
    }


@pytest.mark.slow
def test_a_chain_continues_and_refuses_another_experiment(chain_fields, tmp_path):
    experiment = load_experiment(None, chain_fields)

    def stop(task, done, total, detail=""):
        if task == "trainings" and done == 2:
            raise KeyboardInterrupt

    folder, plan = tmp_path / "evidence_x", ComparisonPlan("none,all", seeds=2)
    with pytest.raises(KeyboardInterrupt):
        bench_evidence(experiment, folder, plan, progress=stop)
    frame = bench_evidence(experiment, folder, plan)
    assert list(frame["name"]) == ["best", "none", "all"]
    assert list(frame.columns[:4]) == ["experiment", "space", "attention", "hardware"]
    assert set(frame.experiment) == {"evidence_x"}
    assert len(pd.read_csv(folder / "retrain" / "trainings.csv")) == 6

    few_sites = ComparisonPlan("all", limits="sites <= 1", seeds=2, onnx=True)
    few = bench_evidence(experiment, folder, few_sites)
    assert set(few.experiment) == {"evidence_x, sites <= 1"}
    assert few.sites.tolist() == [few.sites[0], 4]
    assert few.sites[0] <= 1
    assert few.onnx_removed[1] == 0
    with pytest.raises(UserError, match="a placement or limits, got both"):
        ComparisonPlan("all", placement="best", limits="sites <= 1")

    changed = load_experiment(None, chain_fields | {"search.budget": 5})
    with pytest.raises(UserError, match="holds another experiment"):
        bench_evidence(changed, folder, plan)


def test_the_rows_of_an_experiment_replace_its_earlier_ones(tmp_path):
    names = ["best", "none", "all"]
    frame = pd.DataFrame({"experiment": "evidence_x", "placement": "0-1", "name": names})
    path = tmp_path / "evidence.csv"
    add_rows(frame.assign(experiment="other"), path).to_csv(path, index=False)
    for _ in range(2):
        add_rows(frame, path).to_csv(path, index=False)
    assert pd.read_csv(path).experiment.value_counts().to_dict() == {"other": 3, "evidence_x": 3}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_chains_can_be_read_and_their_attention_changed(path):
    experiment = load_experiment(path, {})
    assert experiment.space.attention[0].name == path.stem.removeprefix("evidence_")
    other = load_experiment(path, {"space.attention": "eca"})
    assert other.space.attention[0].name == "eca"
