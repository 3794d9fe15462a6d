"""Ways to make runs like the small one that is there, and to read what they did."""

import json

import pytest

from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import do_run, start_run
from tests.helpers import SMALL_EXPERIMENT


@pytest.fixture(scope="session")
def make_run():
    """Return a function that does a whole run in a folder, with changes of the experiment."""

    def make(path, changes=None, workers=None):
        run = start_run(load_experiment(None, SMALL_EXPERIMENT | (changes or {})), path)
        do_run(run, workers=workers)
        return run

    return make


@pytest.fixture(scope="session")
def read_history():
    """Return a function that reads a log of trials, without their durations."""

    def read(path):
        trials = [json.loads(line) for line in path.read_text().splitlines()]
        return [trial | {"seconds": 0} for trial in trials]

    return read
