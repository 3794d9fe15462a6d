"""Runs to analyse: the example that is shipped, copies of it, and a controller's run."""

import json
import shutil
from pathlib import Path

import pytest

from ean_search.analysis.run_analysis import RunAnalysis, open_run
from ean_search.analysis.run_folder import Run, load_run
from ean_search.analysis.training_folder import TrainingFolder
from ean_search.bench.report_speed import make_run
from ean_search.utils.progress import silent


@pytest.fixture(scope="session")
def example():
    """The folder of the shipped run; tests must not write there."""
    return Path(__file__).parents[2] / "results" / "example"


@pytest.fixture(scope="module")
def example_analysis(example):
    return RunAnalysis(open_run(example))


@pytest.fixture
def run(example, tmp_path):
    """A copy of the example, which a test may change."""
    shutil.copytree(example, tmp_path / "run")
    return load_run(tmp_path / "run")


@pytest.fixture(scope="session")
def policy_run(tmp_path_factory):
    """A run whose searcher has a policy; tests must not write there."""
    return make_run(tmp_path_factory.mktemp("policy") / "run", "reinforce", 16, 300, silent)


@pytest.fixture(scope="session")
def random_run(tmp_path_factory):
    """A run whose searcher has no policy; tests must not write there."""
    return make_run(tmp_path_factory.mktemp("random") / "run", "random", 16, 60, silent)


@pytest.fixture
def add_training():
    """A function that writes the description and the results of a retraining into a run."""

    def add(
        run: Run,
        placement: str,
        accuracy: float | None,
        *,
        seed: int = 0,
        recipe: str | None = None,
        pretrained: bool = False,
        folded_from: str | None = None,
    ) -> TrainingFolder:
        root = run.retrain_folder(recipe, pretrained)
        folder = TrainingFolder(root / f"{placement}-seed{seed}")
        folder = folder if folded_from is None else folder.pruned_folder
        folder.path.mkdir(parents=True)
        description = {"placement": placement, "seed": seed, "folded_from": folded_from}
        description["pretrained"] = "timm" if pretrained else None
        folder.description_file.write_text(json.dumps(description))
        if accuracy is not None:
            metrics = {"placement": placement, "seed": seed, "test_accuracy": accuracy}
            folder.metrics_file.write_text(json.dumps(metrics | {"test_images": 10}))
        return folder

    return add
