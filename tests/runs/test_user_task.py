"""What a user brings is settled and checked before anything is trained."""

import pytest
import torch

from ean_search.core.score import Score
from ean_search.networks.example import Example
from ean_search.networks.live import register_live
from ean_search.networks.site_table import live_space
from ean_search.runs.user_task import UserTask, reference_size
from ean_search.training.fine_tune import FineTuning
from ean_search.utils.errors import UserError
from tests.runs.module_search import IMAGES, LOADER, gated_net, loss, score

LIVE = register_live(gated_net(), Example.of(IMAGES[:2]))


def test_epochs_are_those_that_are_possible():
    space, with_data = live_space(LIVE, "own"), UserTask(LIVE, score, LOADER, loss)
    assert with_data.settle(FineTuning(epochs=3), space, None).epochs == 3
    assert with_data.settle(FineTuning(epochs=3), space, 0).epochs == 0
    assert UserTask(LIVE, score).settle(FineTuning(), space, None).epochs == 0
    with pytest.raises(UserError, match="2 epochs of fine-tuning need both"):
        UserTask(LIVE, score, LOADER).settle(FineTuning(), space, 2)
    with pytest.raises(UserError, match="'se' is new in the network"):
        UserTask(LIVE, score).settle(FineTuning(), live_space(LIVE, ["own", "se"]), None)


def test_the_module_is_scored_as_it_was_given():
    error = Score(name="error", maximize=False, low=None, high=None)
    with torch.no_grad():
        expected = float(score(LIVE.module.eval()).mean())
    assert UserTask(LIVE, score).measure(error).value == pytest.approx(expected)


def test_checks_leave_the_module_alone():
    before = {name: value.clone() for name, value in LIVE.module.state_dict().items()}
    UserTask(LIVE, score, LOADER, loss).check(live_space(LIVE, ["own", "se"]), FineTuning())
    assert all(torch.equal(v, before[n]) for n, v in LIVE.module.state_dict().items())


def test_a_first_score_of_zero_is_no_unit():
    assert [reference_size(value) for value in (-2.5, 0.0, 1e-15)] == [2.5, 1.0, 1.0]
