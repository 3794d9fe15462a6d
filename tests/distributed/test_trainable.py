"""What Tune runs on a worker, here without Ray."""

import pytest

from ean_search.core.space import load_space
from ean_search.core.trial import EvaluationResult
from ean_search.distributed.jobs import job_of
from ean_search.distributed.trainable import PlacementTrial, read_config, report
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.evaluation.standalone import StandaloneEvaluator
from ean_search.training.recipe import Recipe
from ean_search.utils.errors import UserError
from tests.helpers import blobs


@pytest.fixture
def make_trial(tiny):
    """Make the trial of a configuration, as `tune.with_parameters` does."""

    def make(plain, config):
        class Trial(PlacementTrial):
            def setup(self, config):
                super().setup(config, job=job_of(plain), space=tiny)

        return Trial(config)

    return make


@pytest.fixture
def standalone(tmp_path):
    recipe, folder = Recipe(epochs=2, batch_size=16), tmp_path / "training"
    return StandaloneEvaluator(load_space("tiny"), 3, blobs(32, 0), blobs(30, 1), recipe, folder)


def test_a_trial_reports_the_placement_of_its_configuration(tiny, tiny_network, make_trial):
    plain = SharedWeightsEvaluator(tiny_network, blobs(20, 0))
    trial = make_trial(plain, {"placement": "1010"})
    (expected,) = plain.evaluate([tiny.parse("1010")])
    result = trial.train()
    assert (result["placement"], result["accuracy"]) == ("1-0-1-0", expected.accuracy)
    assert result["done"]
    assert trial.reset({"placement": "0000"})
    assert trial.train()["placement"] == "0-0-0-0"
    trial.stop()


def test_a_training_reports_every_epoch_and_goes_on_from_its_checkpoint(
    standalone, tiny, make_trial, tmp_path, one_thread
):
    (expected,) = standalone.evaluate([tiny.parse("1000")])
    config, folder = {"placement": "1000"}, tmp_path / "saved"
    folder.mkdir()
    first = make_trial(standalone, config)
    assert not first.train()["done"]
    first.save_checkpoint(str(folder))
    second = make_trial(standalone, config)
    second.load_checkpoint(str(folder))
    second._iteration = 1  # Ray counts on
    result = second.train()
    assert result["done"]
    assert result["accuracy"] == expected.accuracy
    own_folders = first.folder, second.folder
    for trial in (first, second):
        trial.stop()
    assert not any(own.exists() for own in own_folders)


def test_an_error_that_the_user_can_mend_is_a_report(tiny_network, make_trial):
    plain = SharedWeightsEvaluator(tiny_network, blobs(20, 0))
    trial = make_trial(plain, {"placement": "1010"})

    def measure(*arguments):
        raise UserError("cannot read the image 7")

    object.__setattr__(trial.job, "measure", measure)
    result = trial.train()
    assert (result["error"], result["done"]) == ("cannot read the image 7", True)
    trial.stop()


def test_a_configuration_names_its_placement_whole_or_site_by_site(tiny):
    sites = {"site0": 1, "site1": 0, "site2": 1, "site3": 0}
    assert read_config({"placement": "1010"}, tiny) == read_config(sites, tiny)
    with pytest.raises(UserError, match="expected 'placement' or 'site2' in a trial's config"):
        read_config({"site0": 1, "site1": 0}, tiny)
    with pytest.raises(UserError, match="got nothing"):
        read_config({}, tiny)


def test_a_report_names_the_best_placement_of_its_chunk(tiny):
    chunk = [tiny.parse(text) for text in ("0000", "1000", "1100")]
    results = [EvaluationResult(0.3, 1.0), EvaluationResult(0.5, 1.0), EvaluationResult(None, 1.0)]
    worded = report(7, chunk, results)
    assert (worded["chunk"], worded["placement"], worded["accuracy"]) == (7, "1-0-0-0", 0.5)
    assert [EvaluationResult.from_row(row) for row in worded["results"]] == results
    assert report(7, chunk[2:], results[2:])["accuracy"] == 0.0
