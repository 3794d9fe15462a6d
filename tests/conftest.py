"""What all tests share: a cache of their own and small things to try."""

import math
import os
import shutil

import numpy as np
import pytest
import torch

from ean_search.core.space import load_space
from ean_search.networks.builder import build
from tests.helpers import SMALL_EXPERIMENT


def pytest_configure():
    """Share the cores with the other processes of the suite: torch crawls where there are fewer."""
    together = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    if together > 1:
        threads = max(1, (os.cpu_count() or 1) // together)
        os.environ["OMP_NUM_THREADS"] = str(threads)  # of processes that tests start
        torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Keep the user's cache and records out of the tests, and one cache for all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EAN_SEARCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("EAN_SEARCH_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def trusted_timings():
    """Trust timings whatever else the machine does, as the suite itself keeps it busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ean_search.costs.timing_quality.LOAD_TOLERANCE", math.inf)
        patch.setattr("ean_search.costs.timing_quality.HALVES_TOLERANCE", math.inf)
        patch.setattr("ean_search.costs.timing_quality.SECONDS_TO_WATCH", 0.0)
        yield


@pytest.fixture(autouse=True)
def same_draws():
    """Let every test draw the same weights and images, whichever tests ran before it."""
    torch.manual_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def tiny():
    return load_space("tiny")


@pytest.fixture
def tiny_network(tiny):
    return build(tiny, classes=10).eval()


@pytest.fixture
def images():
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def one_thread():
    """Keep torch from waiting for busy cores at every one of many small steps."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """Do a small run that no test may change."""
    from ean_search.runs.experiment import load_experiment
    from ean_search.runs.pipeline import do_run, start_run

    path = tmp_path_factory.mktemp("results") / "run"
    run = start_run(load_experiment(None, SMALL_EXPERIMENT), path)
    do_run(run)
    return run


@pytest.fixture(scope="session")
def copy_run(small_run):
    """Return a function that copies the small run to a folder, for tests that change it."""

    def copy(path):
        return type(small_run)(shutil.copytree(small_run.path, path))

    return copy


@pytest.fixture(scope="session")
def short_run(copy_run, tmp_path_factory):
    """Copy the small run for all that only needs some run; what is retrained stays in it."""
    return copy_run(tmp_path_factory.mktemp("results") / "run")


@pytest.fixture(scope="module")
def ray_here():
    """Start Ray once for the tests of a file; other files may start their own."""
    from ean_search.distributed.cluster import cluster
    from ean_search.distributed.config import Workers

    with cluster(Workers(count=2, cpus=1)):
        yield
