"""What Tune runs on a worker: a class Trainable whose actor is used again for trial after trial.

A trial evaluates the chunk that the queue gives to its ticket, or the placement that its
configuration names: `{"placement": "1-0-1-0"}`, or `{"site0": 1, "site1": 0, ...}`, which is what
Ray's own searchers can propose. One trainable serves both kinds of evaluation, by its job.
"""

import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
    from ean_search.distributed.chunk_queue import Chunk
    from ean_search.distributed.config import Workers
    from ean_search.distributed.jobs import Job, job_of
    from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
    from ean_search.evaluation.standalone import StandaloneEvaluator, checkpoint_of
    from ean_search.utils.errors import UserError
    from ean_search.utils.runtime import keep_freed_memory

TUNE_CHECKPOINT_FILE = "training.checkpoint"  # in the folder of one of Tune's checkpoints
OWN_FOLDER_PREFIX = "ean-search-"


class PlacementTrial(tune.Trainable):
    """One trial: a chunk of placements, or one placement in training."""

    job: Job
    space: Space
    chunk_queue: Any  # handle of the ChunkQueue actor; None for trials that name a placement
    folder: Path  # of states of unfinished trainings
    ticket: int | None
    chunk: Chunk | None

    def setup(  # type: ignore[override]  # `tune.with_parameters` passes the other arguments
        self,
        config: dict[str, Any],
        *,
        job: Job,
        space: Space,
        device: str = "cpu",
        threads: int = 1,
        folder: Path | None = None,
        chunk_queue: Any = None,
    ) -> None:
        """Make the job ready; this is done once for each worker."""
        keep_freed_memory()
        torch.set_num_threads(threads)
        self.job, self.space, self.chunk_queue = job.prepare(device), space, chunk_queue
        if folder is not None and folder.is_dir():
            self.folder = folder
        else:  # a worker on another node has no such folder
            self.folder = Path(tempfile.mkdtemp(prefix=OWN_FOLDER_PREFIX))
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
            self.chunk = self._take_chunk()
        if self.chunk is None:  # the search is over
            return {"chunk": -1, "accuracy": math.nan, "done": True}
        number, placements = self.chunk
        epoch = min(self.iteration + 1, self.job.rounds)
        try:
            results = self.job.measure(placements, epoch, self.folder)
        except UserError as error:  # another attempt will not help
            return {"chunk": number, "accuracy": math.nan, "error": str(error), "done": True}
        return report(number, placements, results) | {"done": self._is_over(results)}

    def _is_over(self, results: Sequence[EvaluationResult]) -> bool:
        """Tell whether the trial ends here; else another epoch, or another chunk, follows."""
        if self.job.rounds > 1:
            failed = results[0].accuracy is None
            return failed or self.iteration + 1 >= self.job.rounds
        if self.ticket is None:
            return True
        self.chunk = None
        with suppress(ActorDiedError):
            return ray.get(self.chunk_queue.finish.remote(self.ticket))
        return True

    def _take_chunk(self) -> Chunk | None:
        """Wait for a chunk; there is none if the search is over or the queue is gone for good."""
        with suppress(ActorDiedError):
            return ray.get(self.chunk_queue.take.remote(self.ticket))
        return None

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep the state of training, if there is one."""
        state = self._state_file()
        if state is not None and state.is_file():
            shutil.copyfile(state, Path(checkpoint_dir, TUNE_CHECKPOINT_FILE))

    def load_checkpoint(  # type: ignore[override]  # Ray gives the folder that was saved to
        self, checkpoint: str
    ) -> None:
        """Put the state of training back."""
        if self.chunk is None and self.ticket is not None:
            self.chunk = self._take_chunk()
        state, saved = self._state_file(), Path(checkpoint, TUNE_CHECKPOINT_FILE)
        if state is not None and saved.is_file():
            shutil.copyfile(saved, state)

    def cleanup(self) -> None:
        """Remove the folder that is only this worker's."""
        if self.folder.name.startswith(OWN_FOLDER_PREFIX):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _state_file(self) -> Path | None:
        return checkpoint_of(self.folder, self.chunk[1][0]) if self.chunk else None


def placement_trainable(
    plain: SharedWeightsEvaluator | StandaloneEvaluator,
    space: Space,
    workers: Workers | None = None,
) -> type:
    """Return a trainable for the user's own Tuner.

    A trial evaluates the placement that its configuration names, `{"placement": "1-0-1-0"}` or
    `{"site0": 1, "site1": 0, ...}`, and reports its `accuracy`.

    Args:
        plain: An evaluator of this process; it is sent to the workers once.
        space: The space of the placements.
        workers: What each trial is given; one CPU if None.

    Example:
        >>> trainable = placement_trainable(SharedWeightsEvaluator(network, split), space)
        >>> search = PlacementSearch(problem)
        >>> tune.Tuner(trainable, tune_config=tune.TuneConfig(search_alg=search)).fit()
    """
    return make_trainable(job_of(plain), space, workers or Workers(cpus=1))


def make_trainable(
    job: Job,
    space: Space,
    workers: Workers,
    folder: Path | None = None,
    chunk_queue: Any = None,
) -> type:
    """Return the trainable of a job.

    Args:
        job: What trials compute.
        space: The space of the placements.
        workers: What each trial is given.
        folder: Folder of states of unfinished trainings, for workers that have it.
        chunk_queue: Handle of the actor that gives chunks to trials with a ticket.
    """
    trainable = tune.with_parameters(
        PlacementTrial,
        job=job,
        space=space,
        device=workers.device,
        threads=workers.threads,
        folder=folder,
        chunk_queue=chunk_queue,
    )
    return tune.with_resources(trainable, {"cpu": workers.cpus_each, "gpu": workers.gpus or 0})


def report(
    number: int, placements: Sequence[Placement], results: Sequence[EvaluationResult]
) -> dict[str, Any]:
    """Word the results of a chunk for Tune: its best placement, and all of them as rows."""
    accuracies = {p: r.accuracy for p, r in zip(placements, results, strict=True) if r.accuracy}
    best = max(accuracies, key=accuracies.__getitem__, default=placements[0])
    return {
        "chunk": number,
        "placement": str(best),
        "accuracy": accuracies.get(best, 0.0),
        "evaluated": len(placements),
        "results": [result.to_row() for result in results],
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
