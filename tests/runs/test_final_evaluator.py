"""The evaluator of conclusions: no races, and all placements evaluated in the same way."""

import pytest

from ean_search.data.datasets import load_data
from ean_search.data.search_images import divide_search
from ean_search.distributed.config import Workers
from ean_search.runs.evaluator_factory import make_shared_evaluator, make_standalone_evaluator
from ean_search.runs.experiment import load_experiment
from ean_search.runs.final_evaluator import final_evaluator
from ean_search.utils.progress import silent
from tests.helpers import SMALL_EXPERIMENT


@pytest.mark.parametrize("workers", [None, Workers(count=2, cpus=1)], ids=["none", "two"])
def test_shared_weights_give_the_results_of_the_search(small_run, tmp_path, workers):
    experiment = load_experiment(small_run.experiment_file)
    data, judge = divide_search(load_data(experiment.data), 0.5)
    shared = make_shared_evaluator(small_run, experiment, data, None, silent)
    placements = [small_run.find(name) for name in ("best", "none", "all")]
    accuracies = small_run.frame().set_index("placement").accuracy
    with final_evaluator(shared, None, workers, tmp_path) as final:
        results = list(final.evaluate(placements))
    assert [result.accuracy for result in results] == [accuracies[str(p)] for p in placements]
    assert final.network is shared.network
    assert (final.device, final.images, final.judges_apart) == ("cpu", 50, False)
    with final_evaluator(shared, judge, workers, tmp_path) as final:
        judged = list(final.evaluate(placements))
    assert (final.images, final.search_images, final.judges_apart) == (50, 50, True)
    assert [r.answers for r in judged] != [r.answers for r in results]


@pytest.mark.slow
def test_workers_train_as_this_process_does(small_run, tmp_path, ray_here, one_thread):
    changes = {"standalone.epochs": 1, "data.options": {"train": 300, "test": 100}}
    experiment = load_experiment(None, SMALL_EXPERIMENT | changes)
    data = load_data(experiment.data)
    local = make_standalone_evaluator(small_run, experiment, data, silent)
    placements = [small_run.find(name) for name in ("none", "all")]
    accuracies = []
    for workers in (None, Workers(count=2, cpus=1)):
        with final_evaluator(local, None, workers, tmp_path) as final:
            accuracies.append([result.accuracy for result in final.evaluate(placements)])
    assert accuracies[0] == accuracies[1]
