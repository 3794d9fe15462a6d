"""Small experiments and tables that the tests of measurements share."""

import numpy as np
import pandas as pd
import pytest

from ean_search.bench.searchers import trace_searchers
from ean_search.bench.tasks import make_landscapes
from ean_search.core.space import load_space
from ean_search.runs.experiment import load_experiment
from ean_search.runs.resolve_experiment import resolve
from tests.synthetic import write_synthetic


@pytest.fixture(scope="session")
def experiment_fields():
    """Return the fields of an experiment whose 16 placements train in moments."""
    return {
        "space": {"base": "tiny"},
        "data.options": {"train": 300, "test": 20},
        "data.search_per_class": 10,
        "supernet.recipe.epochs": 1,
        "device": "cpu",
    }


@pytest.fixture(scope="session")
def experiment(experiment_fields):
    return resolve(load_experiment(None, experiment_fields))


@pytest.fixture(scope="session")
def accuracies(experiment):
    """Return made-up accuracies of two stand-alone trainings of each placement."""
    names = [str(placement) for placement in experiment.space.enumerate()]
    return pd.DataFrame(np.random.default_rng(0).random((len(names), 2)), index=names)


@pytest.fixture(scope="session")
def small_resnet():
    """Return the space whose networks are timed."""
    return load_space("resnet18_shared")


@pytest.fixture(scope="session")
def traces():
    """Return the runs of three searchers on six landscapes."""
    return trace_searchers(["random", "local", "surrogate"], make_landscapes([8], 6), budget=100)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return the path of a synthetic table with three trainings."""
    return write_synthetic(tmp_path_factory.mktemp("tables") / "six.parquet")
