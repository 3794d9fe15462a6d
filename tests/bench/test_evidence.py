from pathlib import Path

import pandas as pd
import pytest

from ean_search.bench.evidence import add_rows, bench_evidence
from ean_search.runs.experiment import load_experiment
from ean_search.utils.errors import UserError
from tests.runs.test_pipeline import SMALL

CHAINS = sorted((Path(__file__).parents[2] / "experiments").glob("evidence_*.yaml"))
CHAIN = SMALL | {"retrain.epochs": 1, "data.options": {"train": 400, "test": 100}}


def test_a_chain_goes_on_and_its_rows_replace_its_own(tmp_path):
    experiment = load_experiment(None, CHAIN)

    def stop(task, done, total, detail=""):
        if task == "trainings" and done == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "evidence_x"
    with pytest.raises(KeyboardInterrupt):
        bench_evidence(experiment, folder, "none,all", seeds=2, progress=stop)
    frame = bench_evidence(experiment, folder, "none,all", seeds=2)
    assert list(frame["name"]) == ["best", "none", "all"]
    assert set(frame.experiment) == {"evidence_x"}
    assert len(pd.read_csv(folder / "retrain" / "trainings.csv")) == 6

    path = tmp_path / "evidence.csv"
    add_rows(frame.assign(experiment="other"), path).to_csv(path, index=False)
    for _ in range(2):
        add_rows(frame, path).to_csv(path, index=False)
    assert pd.read_csv(path).experiment.value_counts().to_dict() == {"other": 3, "evidence_x": 3}

    changed = load_experiment(None, CHAIN | {"search.budget": 5})
    with pytest.raises(UserError, match="holds another experiment"):
        bench_evidence(changed, folder, "none", seeds=1)


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_the_shipped_chains_can_be_read_and_their_attention_changed(path):
    experiment = load_experiment(path, {})
    assert experiment.space.attention[0].name == path.stem.removeprefix("evidence_")
    other = load_experiment(path, {"space.attention": "eca"})
    assert other.space.attention[0].name == "eca"
