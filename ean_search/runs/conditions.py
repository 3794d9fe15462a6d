"""What a history depends on beside its experiment: the device, its threads, the versions.

Arithmetic rounds differently with another number of threads or another torch, and a search sees it.
So a run notes what it was started with, and does not go on with something else unasked.
"""

import logging
from typing import Any

import torch

from ean_search.analysis.run_folder import Run
from ean_search.utils.errors import UserError
from ean_search.utils.files import read_json_object, save_json
from ean_search.utils.provenance import provenance
from ean_search.utils.trust import PROVENANCE_NAME

CONDITIONS_KEY = "conditions"
ADVICE = {
    "threads": "OMP_NUM_THREADS={} gives the same",
    "device": "continue it on a machine with {}",
    "torch": "torch {} gives the same",
}
log = logging.getLogger(__name__)


def conditions(device: str) -> dict[str, Any]:
    """Return what computes here, as far as it changes histories."""
    kind = torch.device(device).type
    threads = torch.get_num_threads() if kind == "cpu" else None
    return {"device": kind, "threads": threads, "torch": torch.__version__}


def check_conditions(run: Run, device: str, *, force: bool) -> None:
    """Check that a run goes on as it began.

    Args:
        run: The run; no other process is working on it.
        device: What will compute.
        force: Go on all the same; the run's provenance notes from which trial on.

    Raises:
        UserError: If the history would be another one, and `force` does not say that it may be.
    """
    stored = read_json_object(run.provenance_file) or {}
    _say_other_versions(stored, device)
    began, here = stored.get(CONDITIONS_KEY), conditions(device)
    begun = (run.trials_file, run.supernet_file, run.supernet_checkpoint)
    if not isinstance(began, dict) or run.summary_file.is_file():
        return
    differing = [name for name in ADVICE if began.get(name) != here[name]]
    if not differing or not any(file.is_file() for file in begun):
        return
    name = differing[0]
    words = f"{run.path} began with {name} {began.get(name)}, and here it is {here[name]}"
    if not force:
        how = ADVICE[name].format(began.get(name))
        raise UserError(f"{words}: its history would change; {how}, or go on with --force")
    log.warning("%s: its history is another one from here on", words)
    noted = {"trials": len(run.read_trials()), **here}
    save_json(stored | {"continued": [*stored.get("continued", []), noted]}, run.provenance_file)


def _say_other_versions(stored: dict[str, Any], device: str) -> None:
    """Say which versions are others than those that the run was started with."""
    packages = stored.get("packages")
    here = provenance(device)["packages"]
    if isinstance(packages, dict):
        others = [f"{k} {v} -> {here[k]}" for k, v in packages.items() if here.get(k, v) != v]
        if others:
            log.warning("other versions than in %s: %s", PROVENANCE_NAME, ", ".join(others))
