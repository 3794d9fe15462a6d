import logging
import warnings

import optuna
import pytest

from ean_search.core.space import Space
from ean_search.search.searchers.optuna_logging import silence_optuna
from ean_search.search.searchers.registry import make_searcher
from ean_search.testing.toy import ToyLandscape, play_search

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(2, 3, 3))


@pytest.fixture
def info_level():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.INFO)
    yield
    optuna.logging.set_verbosity(before)


@pytest.mark.usefixtures("info_level")
def test_a_search_shows_no_message_and_keeps_the_user_s_verbosity(capfd):
    landscape = ToyLandscape(SPACE)
    play_search(make_searcher("optuna-tpe", landscape.problem), landscape)
    assert optuna.logging.get_verbosity() == logging.INFO
    assert capfd.readouterr().err == ""


def fail_silently():
    with silence_optuna():
        warnings.warn("experimental", optuna.exceptions.ExperimentalWarning, stacklevel=1)
        raise ValueError("broken")


@pytest.mark.usefixtures("info_level")
def test_the_verbosity_is_restored_after_an_error():
    with pytest.raises(ValueError, match="broken"):
        fail_silently()
    assert optuna.logging.get_verbosity() == logging.INFO
