"""The first files of a run: its experiment, its provenance, and what it copies from another run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ean_search.analysis.run_folder import Run
from ean_search.runs.conditions import CONDITIONS_KEY, conditions
from ean_search.runs.experiment import Experiment, experiment_plugins, save_experiment
from ean_search.runs.new_folder import new_folder
from ean_search.runs.warm_start import copy_trials
from ean_search.utils.files import save_json
from ean_search.utils.formats import FORMAT_KEY, FORMATS
from ean_search.utils.provenance import provenance
from ean_search.utils.trust import RUN_ID, new_run_id, record_names


@contextmanager
def begun_run(experiment: Experiment, path: Path, *, numbered: bool = False) -> Iterator[Run]:
    """Make the folder of a new run with its first files, and keep other processes off it.

    Args:
        experiment: A checked experiment; nothing of it is left to the machine.
        path: The folder.
        numbered: Take a new folder in any case: `path` with a number if there is one already.

    Yields:
        The run.

    Raises:
        UserError: If the folder is in use.
    """
    with new_folder(experiment, path, numbered=numbered) as run:
        about = {FORMAT_KEY: FORMATS["run"], RUN_ID: new_run_id()}
        about |= {CONDITIONS_KEY: conditions(experiment.device)}
        save_json(provenance(experiment.device) | about, run.provenance_file)
        record_names(run.path, experiment_plugins(experiment))
        if experiment.search.warm_start:
            copy_trials(experiment.search.warm_start, run)
        save_experiment(experiment, run.experiment_file)
        yield run
