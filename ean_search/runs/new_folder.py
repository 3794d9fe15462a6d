"""The folder of a new run: a free one, or one in which a run came to nothing."""

import logging
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from ean_search.analysis.run_folder import Run
from ean_search.runs.experiment import Experiment, load_experiment
from ean_search.utils.errors import UserError
from ean_search.utils.locks import only_writer
from ean_search.utils.safe_paths import check_name, refuse_links

log = logging.getLogger(__name__)
# What the weight-sharing network depends on, beside the machine.
NETWORK_FIELDS = {"space", "data", "supernet", "seed", "train_workers"}


def refuse_used(run: Run) -> None:
    """Refuse a folder that holds trials, trainings, or anything that no run makes.

    Raises:
        UserError: It says how the run there goes on, or that another name is needed.
    """
    if run.path.exists() and not run.path.is_dir():
        raise UserError(f"{run.path} is a file: choose another --name")
    if not run.path.is_dir():
        return
    refuse_links(run.path)
    others = [entry for entry in run.path.iterdir() if not run.is_preparation(entry)]
    if run.experiment_file.is_file():
        trials = len(run.read_trials()) if run.trials_file.is_file() else 0
        if trials or others:
            what = f"holds {trials} trials" if trials else f"holds {others[0].name}"
            raise UserError(
                f"{run.path} exists and {what}; continue it with: ean-search resume {run.path}"
            )
    elif others:
        raise UserError(f"{run.path} exists and is not a run: choose another --name")


@contextmanager
def new_folder(experiment: Experiment, path: Path, *, numbered: bool) -> Iterator[Run]:
    """Make the folder of a new run, or clear that of a run without a trial, and hold its lock.

    Args:
        experiment: The experiment of the new run.
        path: The folder.
        numbered: Take a new folder in any case, `path` with a number if there is one already.

    Yields:
        The run; no other process writes it in the block.

    Raises:
        UserError: If the folder is in use.
    """
    run = Run(_make(_numbered(path) if numbered else [path]) or path)
    with only_writer(run.lock_file, str(run.path)):
        refuse_used(run)
        if run.experiment_file.is_file():
            log.warning("%s held no trial of an earlier start: it starts anew", run.path)
            _clear(run, experiment)
        yield run


def run_path(results: Path, space: str, name: str) -> Path:
    """Return the folder of a run by its names, which cannot lead out of the folder of results.

    Raises:
        UserError: If one of the names is a path, or cannot be that of a folder.
    """
    return results / check_name(space, "name of the space") / check_name(name, "--name")


def _make(candidates: Iterable[Path]) -> Path | None:
    """Make the first folder that is not there yet; return None if all are."""
    for candidate in candidates:
        try:
            candidate.mkdir(parents=True)
        except FileExistsError:
            continue
        except NotADirectoryError as error:
            raise UserError(f"{candidate} cannot be made: {error.filename} is a file") from error
        return candidate
    return None


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in count(2):
        yield path.with_name(f"{path.name}-{number}")


def _clear(run: Run, experiment: Experiment) -> None:
    """Remove what an earlier start left, except a network that the new run would train again."""
    kept = {run.lock_file}
    if _trains_the_same(run, experiment):
        kept |= {run.supernet_file, run.supernet_checkpoint}
    for entry in list(run.path.iterdir()):
        if entry in kept:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _trains_the_same(run: Run, experiment: Experiment) -> bool:
    try:
        earlier = load_experiment(run.experiment_file, trust=run.trust)
    except UserError:
        return False
    old, new = (e.model_dump(mode="json", include=NETWORK_FIELDS) for e in (earlier, experiment))
    return old == new
