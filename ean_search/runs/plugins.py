"""Checks the plug-ins of an experiment before anything is measured or trained."""

from ean_search.runs.experiment import Experiment
from ean_search.testing.check_attention import quick_check_attentions
from ean_search.testing.check_searcher import quick_check_searcher


def check_plugins(experiment: Experiment) -> None:
    """Check in a moment that the searcher and the attentions of an experiment work.

    Args:
        experiment: The experiment; the stages of its space are known.

    Raises:
        UserError: If one does not; the message names it.
    """
    search = experiment.search
    quick_check_attentions(experiment.space)
    quick_check_searcher(search.searcher, search.options, experiment.space)
