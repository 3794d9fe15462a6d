"""An evaluator whose placements are measured by Ray workers, under one Tuner for the whole search.

A cohort is cut into chunks, a chunk is a trial, and results are yielded in the cohort's order: the
loop, the searcher and the store do not notice. Tune restarts trials whose worker died; a chunk that
it gives up is tried placement by placement, and what then still fails is recorded as failed.
"""

import logging
import queue
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from tensorboardX import SummaryWriter

from ean_search.core.space import Placement, Space
from ean_search.core.trial import EvaluationResult
from ean_search.distributed.chunk_queue import ChunkQueue
from ean_search.distributed.cluster import cluster
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import Job
from ean_search.distributed.schedulers import make_scheduler
from ean_search.distributed.trainable import PlacementTrial
from ean_search.distributed.tune_adapters import ChunkOutcome, PlaceholderSearcher, ResultCallback
from ean_search.evaluation.standalone import TRAINING, checkpoint_of, remove_if_empty
from ean_search.utils.errors import UserError

NAME = "tune"  # of the folders that Ray users know how to read
MOST = 1000  # trials of one Tuner: what it writes down grows with them, 9 kB each
PATIENCE = 1.0  # seconds without news after which chunks are offered again

log = logging.getLogger(__name__)


class RayEvaluator:
    """Workers that evaluate placements; they are hired at the first and let go with the block."""

    def __init__(
        self,
        job: Job,
        space: Space,
        workers: Workers,
        folder: Path,
        *,
        scheduler: str = "fifo",
        name: str = NAME,
        done: int = 0,
    ):
        self.job, self.space, self.workers, self.joint = job, space, workers, job.joint
        self.folder, self.name, self.scheduler, self.done = folder, name, scheduler, done
        # A storage that was given may be that of many runs.
        self._prefix = f"{folder.parent.name}-{folder.name}-" if workers.storage else ""
        self._training = (folder / TRAINING).resolve()
        self.inbox = ResultCallback(every=job.rounds == 1)
        self.results: tune.ResultGrid | None = None  # of the last Tuner, once it has ended
        self._open: dict[int, list[Placement]] = {}
        self._numbers, self._tickets, self._tuners = count(), count(), count(1)
        self._stack, self._closed = ExitStack(), False
        self._started = False  # whether any worker has
        self._deaths: Counter[int | None] = Counter()  # by chunk; none while waiting for one
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "RayEvaluator":
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        if self._thread is None:
            return
        self.inbox.tickets.closed = True
        if kind is None:  # else workers may be busy for long: they end with Ray
            ray.get(self._desk.close.remote())
            self._thread.join()
        ray.kill(self._desk)
        self._stack.close()

    def _start(self) -> None:
        """Have Ray, the desk and a Tuner at work."""
        self._stack.enter_context(cluster(self.workers))
        self._writer = SummaryWriter(str(self.folder / "tensorboard" / self.name))
        self._stack.callback(self._writer.close)
        for old in self.folder.glob(f"{self.name}-*"):  # the results of a session before this one
            shutil.rmtree(old)
        self._training.mkdir(exist_ok=True)
        self._stack.callback(remove_if_empty, self._training)
        self._desk = self._open_desk()
        self._trainable = self._make_trainable()
        self._open_tickets()
        self._thread = threading.Thread(target=self._supervise, name="tune", daemon=True)
        self._thread.start()

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield the results of placements in their order."""
        if self._thread is None:
            self._start()
        parts = self.job.cut(placements, self.workers.count)
        where: dict[int, list[int]] = {}  # chunk number -> places of its members
        for part in parts:
            where[self._add([placements[i] for i in part])] = part
        self._offer()
        found: dict[int, EvaluationResult] = {}
        for place in range(len(placements)):
            while place not in found:
                self._settle(self._next(), placements, where, found)
            measured = found[place]
            if measured.accuracy is not None:
                self._writer.add_scalar("accuracy", measured.accuracy, self.done)
            self.done += 1
            yield measured
            checkpoint_of(self._training, placements[place]).unlink(missing_ok=True)

    def _settle(
        self,
        ended: ChunkOutcome,
        placements: Sequence[Placement],
        where: dict[int, list[int]],
        found: dict[int, EvaluationResult],
    ) -> None:
        """Take in what became of a chunk; one that failed is tried in single pieces."""
        number = self._chunk_of(ended)
        if number not in where or number not in self._open:
            return  # it may be tried again, or was measured twice as the desk was lost
        places, error = where[number], ended.error
        del self._open[number]
        if ended.result is not None:
            if "error" in ended.result:
                raise UserError(ended.result["error"])
            rows = [EvaluationResult(*row) for row in ended.result["results"]]
            if self.job.rounds > 1:  # a row's seconds are those of the last round
                rows = [replace(row, seconds=ended.result["time_total_s"]) for row in rows]
            found |= dict(zip(places, rows, strict=True))
        elif len(places) == 1 or self.joint:
            tries = self.workers.max_failures + 1
            note = f"its worker died {tries} times: {error}"
            found |= {place: EvaluationResult(None, 0.0, note) for place in places}
        else:
            log.warning("a chunk of %d is tried piece by piece: %s", len(places), error)
            for place in places:
                where[self._add([placements[place]])] = [place]
            self._offer()

    def _chunk_of(self, ended: ChunkOutcome) -> int | None:
        """Tell which chunk has come to an end; none, if its trial only starts again."""
        if ended.result is not None:
            self._started = True
            return ended.result["chunk"]
        number = ray.get(self._desk.lose.remote(ended.ticket))
        self._deaths[number] += 1
        if self._deaths[number] <= self.workers.max_failures:
            return None
        if number is None and not self._started:
            raise UserError(f"workers cannot start: {ended.error}")
        ray.get(self._desk.give_up.remote(ended.ticket))
        return number

    def _add(self, chunk: list[Placement]) -> int:
        number = next(self._numbers)
        self._open[number] = chunk
        return number

    def _offer(self) -> None:
        ray.get(self._desk.offer.remote(self._open))

    def _next(self) -> ChunkOutcome:
        """Wait for the end of a trial."""
        while True:
            try:
                ended = self.inbox.ends.get(timeout=PATIENCE)
            except queue.Empty:
                self._offer()  # desks and results are lost with their nodes
                continue
            if isinstance(ended, BaseException):
                raise ended
            return ended

    def _open_desk(self) -> Any:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        options = {"max_restarts": -1, "max_task_retries": -1, "max_concurrency": 10_000}
        desk = ray.remote(ChunkQueue).options(num_cpus=0, scheduling_strategy=here, **options)
        return desk.remote(self.workers.count)

    def _open_tickets(self) -> PlaceholderSearcher:
        self.inbox.tickets = PlaceholderSearcher(self.workers.count, self._tickets, MOST)
        return self.inbox.tickets

    def _make_trainable(self) -> type:
        workers = self.workers
        made = tune.with_parameters(
            PlacementTrial,
            job=self.job,
            space=self.space,
            device=workers.device,
            threads=workers.threads,
            folder=self._training,
            desk=self._desk,
        )
        return tune.with_resources(made, {"cpu": workers.cpus_each, "gpu": workers.gpus or 0})

    def _supervise(self) -> None:
        """Keep a Tuner running; after so many trials another one takes over."""
        try:
            while not self._closed:
                results = self._make_tuner().fit()
                self._open_tickets()
                if self.inbox.staging:
                    shutil.rmtree(self.inbox.staging, ignore_errors=True)
                if self.results is not None:  # a remote folder is left to its owner
                    shutil.rmtree(self.results.experiment_path, ignore_errors=True)
                self.results = results
        except BaseException as error:
            self.inbox.ends.put(error)

    def _make_tuner(self) -> tune.Tuner:
        rounds = self.job.rounds > 1
        return tune.Tuner(
            self._trainable,
            tune_config=tune.TuneConfig(
                search_alg=self.inbox.tickets,
                scheduler=make_scheduler(self.scheduler, self.job.rounds),
                num_samples=-1,
                reuse_actors=True,
                trial_dirname_creator=_name_folder,
            ),
            run_config=tune.RunConfig(
                name=f"{self._prefix}{self.name}-{next(self._tuners)}",
                storage_path=self.workers.storage or str(self.folder.resolve()),
                callbacks=[self.inbox],
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=-1),  # we count, chunk by chunk,
                checkpoint_config=tune.CheckpointConfig(
                    num_to_keep=1 if rounds else None,
                    checkpoint_frequency=1 if rounds else 0,
                    checkpoint_at_end=False,
                ),
            ),
        )


def _name_folder(trial: Any) -> str:
    return f"trial-{trial.config['ticket']}"
