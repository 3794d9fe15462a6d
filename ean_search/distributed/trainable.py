"""What Tune runs on a worker: a class Trainable whose actor is used again for trial after trial.

A trial evaluates what its ticket gets at the desk, or the placement that its configuration names:
`{"placement": "1-0-1-0"}`, or `{"site0": 1, "site1": 0, ...}`, which is what Ray's own searchers
can propose. One trainable serves both kinds of evaluation; its job knows which.
"""

import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ean_search.utils.runtime import without_garbage_collection

with without_garbage_collection():  # these take most of the time in which a worker starts
    import ray
    import torch
    from ray import tune
    from ray.exceptions import ActorDiedError

    from ean_search.core.space import Placement, Space
    from ean_search.core.trial import EvaluationResult
    from ean_search.distributed.config import Workers
    from ean_search.distributed.jobs import Job, job_of
    from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
    from ean_search.evaluation.standalone import StandaloneEvaluator, checkpoint_of
    from ean_search.utils.errors import UserError
    from ean_search.utils.runtime import keep_freed_memory

CHECKPOINT = "training.checkpoint"


class PlacementTrial(tune.Trainable):
    """One trial: a chunk of placements, or one placement in training."""

    def setup(
        self,
        config: dict[str, Any],
        *,
        job: Job,
        space: Space,
        device: str = "cpu",
        threads: int = 1,
        folder: Path | None = None,
        desk: Any = None,
    ) -> None:
        """Make the job ready; this is done once for each worker."""
        keep_freed_memory()
        torch.set_num_threads(threads)
        self.job, self.space, self.desk = job.prepare(device), space, desk
        here = folder is not None and folder.is_dir()  # a worker elsewhere has no such folder
        self.folder = folder if here else Path(tempfile.mkdtemp(prefix="ean-search-"))
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial."""
        self.ticket, self.chunk = new_config.get("ticket"), None
        if self.ticket is None:
            self.chunk = 0, [read_config(new_config, self.space)]
        return True

    def step(self) -> dict[str, Any]:
        """Do one round of the trial, and report."""
        if self.chunk is None:
            self.chunk = self._ask("take")
        if self.chunk is None:  # the search is over
            return {"chunk": -1, "accuracy": math.nan, "done": True}
        number, placements = self.chunk
        epoch = min(self.iteration + 1, self.job.rounds)
        try:
            measured = self.job.measure(placements, epoch, self.folder)
        except UserError as error:  # nobody's retry will help
            return {"chunk": number, "accuracy": math.nan, "error": str(error), "done": True}
        return report(number, placements, measured) | {"done": self._is_over(measured)}

    def _is_over(self, measured: Sequence[EvaluationResult]) -> bool:
        """Tell whether the trial ends here; else another epoch, or another chunk, follows."""
        if self.job.rounds > 1:
            failed = measured[0].accuracy is None
            return failed or self.iteration + 1 >= self.job.rounds
        if self.ticket is None:
            return True
        self.chunk = None
        return self._ask("finish") is not False

    def _ask(self, what: str) -> Any:
        """Ask the desk about the ticket; one that is gone for good has nothing to say."""
        try:
            return ray.get(getattr(self.desk, what).remote(self.ticket))
        except ActorDiedError:
            return None

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep the state of training, if there is one."""
        training = self._training()
        if training is not None and training.is_file():
            shutil.copyfile(training, Path(checkpoint_dir, CHECKPOINT))

    def load_checkpoint(self, checkpoint: str) -> None:
        """Put the state of training back."""
        if self.chunk is None and self.ticket is not None:
            self.chunk = self._ask("take")
        training, kept = self._training(), Path(checkpoint, CHECKPOINT)
        if training is not None and kept.is_file():
            shutil.copyfile(kept, training)

    def cleanup(self) -> None:
        """Leave nothing behind that was only this worker's."""
        if self.folder.name.startswith("ean-search-"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _training(self) -> Path | None:
        return checkpoint_of(self.folder, self.chunk[1][0]) if self.chunk else None


def placement_trainable(
    plain: SharedWeightsEvaluator | StandaloneEvaluator,
    space: Space,
    workers: Workers | None = None,
) -> type:
    """Return a trainable for the user's own Tuner, which evaluates what a configuration names."""
    workers = workers or Workers(cpus=1)
    options = {"device": workers.device, "threads": workers.threads}
    made = tune.with_parameters(PlacementTrial, job=job_of(plain), space=space, **options)
    return tune.with_resources(made, {"cpu": workers.cpus_each, "gpu": workers.gpus or 0})


def report(
    number: int, placements: Sequence[Placement], measured: Sequence[EvaluationResult]
) -> dict[str, Any]:
    """Word results for Tune: the best in front, all of them as rows."""
    found = {p: m.accuracy for p, m in zip(placements, measured, strict=True) if m.accuracy}
    best = max(found, key=found.get, default=placements[0])
    return {
        "chunk": number,
        "placement": str(best),
        "accuracy": found.get(best, 0.0),
        "evaluated": len(placements),
        "results": [[m.accuracy, m.seconds, m.note, m.stopped] for m in measured],
    }


def read_config(config: Mapping[str, Any], space: Space) -> Placement:
    """Read the placement that a trial's configuration names."""
    if "placement" in config:
        return space.parse(config["placement"])
    try:
        return space.placement(config[f"site{site}"] for site in range(space.sites))
    except KeyError as error:
        known = ", ".join(config) or "nothing"
        raise UserError(
            f"expected 'placement' or {error} in a trial's config, got {known}"
        ) from None
