"""Which weights a retraining starts from, and the network that may teach it."""

from torch import nn

from ean_search.analysis.run_folder import Run
from ean_search.core.space import Space
from ean_search.data.datasets import Data
from ean_search.networks.pretrained import load_backbone
from ean_search.runs.experiment import Experiment
from ean_search.runs.pretrained_start import pretrained_backbone
from ean_search.utils.files import load_weights

SUPERNET = "supernet"  # the weights of the run's weight-sharing network
SCRATCH = "scratch"  # random weights


def choose_start(run: Run, experiment: Experiment, wanted: str | None) -> str | None:
    """Return where the first weights come from; None: they are random.

    Args:
        run: The run.
        experiment: Its experiment.
        wanted: SUPERNET, SCRATCH, or a source of pretrained weights for the backbone; None:
            SUPERNET if the run started from pretrained weights, else SCRATCH.
    """
    if wanted is None and experiment.supernet.pretrained and run.supernet_file.is_file():
        return SUPERNET
    return None if wanted == SCRATCH else wanted


def load_first_weights(network: nn.Module, run: Run, space: Space, source: str | None) -> None:
    """Load the first weights of a retraining into a network with slots.

    Args:
        network: The network of the space, with random weights.
        run: The run.
        space: Its space.
        source: As `choose_start` returns it.

    Raises:
        UserError: If there are no such weights, or they do not fit.
    """
    if source == SUPERNET:
        load_weights(network, run.supernet_file)
    elif source is not None:
        load_backbone(network, space, source)


def make_teacher(experiment: Experiment, data: Data) -> nn.Module | None:
    """Make the pretrained network that a run started from, if its retraining distils from it.

    Args:
        experiment: The experiment of the run.
        data: Its data, which fits a head that the weights have not.
    """
    if not experiment.retrain.distil:
        return None
    return pretrained_backbone(experiment, data)
