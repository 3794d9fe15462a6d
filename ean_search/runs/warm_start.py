"""Warm starts: the trials of another run on the same sites, from which a searcher learns first.

The run folder keeps a copy of them, because they are a part of what determines the run's history.
"""

import shutil
from pathlib import Path

from ean_search.analysis.run_folder import Run, load_run
from ean_search.core.space import Space
from ean_search.core.trial import Trial
from ean_search.utils.errors import UserError


def find_trials(source: Path | str, space: Space) -> list[Trial]:
    """Read the trials of the run that a warm start names.

    Args:
        source: The folder of a run.
        space: The space of the new run.

    Raises:
        UserError: If it is no run, has no trials, or has other sites or another number of choices.
    """
    run = load_run(source)
    theirs = run.space
    if (theirs.stages, theirs.choices) != (space.stages, space.choices):
        raise UserError(
            f"--warm-start {source}: expected the sites of space {space.name!r}, {_sites(space)}; "
            f"that run has {_sites(theirs)}"
        )
    trials = run.read_trials()
    if not trials:
        raise UserError(f"--warm-start {source}: that run has no trials yet")
    return trials


def copy_trials(source: Path | str, run: Run) -> None:
    """Copy the trials of another run into the folder of a new one."""
    shutil.copyfile(load_run(source).trials_file, run.warm_start_file)


def _sites(space: Space) -> str:
    stages = "-".join(map(str, space.stages))
    return f"stages of {stages} sites with {space.choices} choices"
