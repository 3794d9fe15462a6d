"""An evaluator whose placements are measured by Ray workers, under one Tuner for the whole search.

A cohort is cut into chunks, a chunk is a trial, and results are yielded in the cohort's order: the
loop, the searcher and the trial log do not notice. Tune restarts trials whose worker died; what
becomes of a chunk that Tune cannot finish is decided by the `ChunkBook`.
"""

import queue
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ean_search.analysis.run_folder import Run
from ean_search.core.space import Placement, Space
from ean_search.core.trial import EvaluationResult
from ean_search.distributed.chunk_book import ChunkBook
from ean_search.distributed.chunk_queue import ChunkQueue
from ean_search.distributed.cluster import cluster
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import Job
from ean_search.distributed.schedulers import make_scheduler
from ean_search.distributed.trainable import make_trainable
from ean_search.distributed.tune_adapters import ChunkOutcome, PlaceholderSearcher, ResultCallback
from ean_search.evaluation.standalone import checkpoint_of, remove_if_empty
from ean_search.utils.tensorboard import ScalarWriter

DEFAULT_NAME = "tune"  # of the folders that Ray users know how to read
MAX_TRIALS_PER_TUNER = 1000  # what a Tuner writes down grows with its trials, 9 kB for each
CHUNK_REOFFER_SECONDS = 1.0  # without an outcome


@dataclass(frozen=True)
class _Session:
    """What is at work from the first cohort on."""

    queue: Any  # handle of the ChunkQueue actor
    writer: ScalarWriter
    tuner_thread: threading.Thread


class RayEvaluator:
    """Evaluates placements by Ray workers, from its first cohort to the end of its `with` block.

    Args:
        job: What workers compute; see `job_of`.
        space: The space of the placements.
        workers: How many workers, and what each is given.
        folder: The run's folder; it must exist.
        scheduler: Name of Tune's scheduler, which may stop stand-alone trainings.
        name: Name of this evaluator's folders in the run's.
        done: Trials of the run so far: the number that TensorBoard shows for the next one.

    Example:
        >>> with RayEvaluator(SharedJob.of(plain), space, Workers(count=2), folder) as evaluator:
        ...     results = list(evaluator.evaluate(placements))
    """

    def __init__(
        self,
        job: Job,
        space: Space,
        workers: Workers,
        folder: Path,
        *,
        scheduler: str = "fifo",
        name: str = DEFAULT_NAME,
        done: int = 0,
    ):
        self.job, self.space, self.workers, self.joint = job, space, workers, job.joint
        self.folder, self.name, self.scheduler, self.done = folder, name, scheduler, done
        self.results: tune.ResultGrid | None = None  # of the last Tuner, once it has ended
        self._many_rounds = job.rounds > 1
        self._checkpoints_folder = Run(folder).checkpoints_folder.resolve()
        self._book = ChunkBook(
            workers.max_failures, joint=job.joint, time_whole_trials=self._many_rounds
        )
        self._tickets, self._tuner_numbers = count(), count(1)
        self.callback = ResultCallback(self._make_searcher(), every_report=not self._many_rounds)
        self._stack = ExitStack()
        self._session: _Session | None = None
        self._closed = False

    def __enter__(self) -> "RayEvaluator":
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self.callback.searcher.closed = True
        if self._session is not None:
            if kind is None:  # else workers may be busy for long: they end with Ray
                ray.get(self._session.queue.close.remote())
                self._session.tuner_thread.join()
            ray.kill(self._session.queue)
        self._stack.close()

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield the results of placements in their order.

        Args:
            placements: A cohort.

        Yields:
            One result per placement; without an accuracy if its evaluation failed for good.

        Raises:
            UserError: If workers cannot start, or cannot read the data.
        """
        if self._session is None:
            self._session = self._start()
        session = self._session
        parts = self.job.cut(placements, self.workers.count)
        results = self._book.open_cohort(placements, parts)
        self._offer(session)
        for place, placement in enumerate(placements):
            while place not in results:
                self._take_in(self._next_outcome(session), session)
            result = results[place]
            if result.accuracy is not None:
                session.writer.add("accuracy", result.accuracy, self.done)
            self.done += 1
            yield result
            checkpoint_of(self._checkpoints_folder, placement).unlink(missing_ok=True)

    def _offer(self, session: _Session) -> None:
        ray.get(session.queue.offer.remote(self._book.open_chunks))

    def _next_outcome(self, session: _Session) -> ChunkOutcome:
        """Wait for the end of a trial."""
        while True:
            try:
                outcome = self.callback.outcomes.get(timeout=CHUNK_REOFFER_SECONDS)
            except queue.Empty:
                self._offer(session)  # queues and results are lost with their nodes
                continue
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

    def _take_in(self, outcome: ChunkOutcome, session: _Session) -> None:
        """Record a result, or see to a chunk whose worker died."""
        if outcome.result is not None:
            self._book.finish(outcome.result)
            return
        number = ray.get(session.queue.lose.remote(outcome.ticket))
        if self._book.may_retry(number, outcome.error):
            return
        ray.get(session.queue.give_up.remote(outcome.ticket))
        if self._book.fail(number, outcome.error):
            self._offer(session)

    def _start(self) -> _Session:
        """Start Ray, the queue and the thread of Tuners."""
        self._stack.enter_context(cluster(self.workers))
        writer = ScalarWriter(Run(self.folder).tensorboard_folder / self.name)
        self._stack.callback(writer.close)
        for old in self.folder.glob(f"{self.name}-*"):  # the results of a session before this one
            shutil.rmtree(old)
        self._checkpoints_folder.mkdir(exist_ok=True)
        self._stack.callback(remove_if_empty, self._checkpoints_folder)
        chunk_queue = _start_queue(self.workers.count)
        trainable = make_trainable(
            self.job, self.space, self.workers, self._checkpoints_folder, chunk_queue
        )
        thread = threading.Thread(
            target=self._run_tuners, args=[trainable], name="tune", daemon=True
        )
        thread.start()
        return _Session(chunk_queue, writer, thread)

    def _run_tuners(self, trainable: type) -> None:
        """Keep a Tuner running; after so many trials another one takes over."""
        try:
            while not self._closed:
                results = self._make_tuner(trainable).fit()
                self.callback.searcher = self._make_searcher()
                if self.callback.staging_folder:
                    shutil.rmtree(self.callback.staging_folder, ignore_errors=True)
                if self.results is not None:  # a remote folder is left to its owner
                    shutil.rmtree(self.results.experiment_path, ignore_errors=True)
                self.results = results
        except BaseException as error:
            self.callback.outcomes.put(error)

    def _make_searcher(self) -> PlaceholderSearcher:
        return PlaceholderSearcher(self.workers.count, self._tickets, MAX_TRIALS_PER_TUNER)

    def _make_tuner(self, trainable: type) -> tune.Tuner:
        return tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=self.callback.searcher,
                scheduler=make_scheduler(self.scheduler, self.job.rounds),
                num_samples=-1,
                reuse_actors=True,
                trial_dirname_creator=_name_trial_folder,
            ),
            run_config=tune.RunConfig(
                name=f"{self._folder_prefix}{self.name}-{next(self._tuner_numbers)}",
                storage_path=self.workers.storage or str(self.folder.resolve()),
                callbacks=[self.callback],
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=-1),  # the book counts, by chunk
                checkpoint_config=tune.CheckpointConfig(
                    num_to_keep=1 if self._many_rounds else None,
                    checkpoint_frequency=1 if self._many_rounds else 0,
                    checkpoint_at_end=False,
                ),
            ),
        )

    @property
    def _folder_prefix(self) -> str:
        """Tell apart the runs that share a storage of the user's."""
        return f"{self.folder.parent.name}-{self.folder.name}-" if self.workers.storage else ""


def _start_queue(workers: int) -> Any:
    """Start the queue's actor on the driver's node, to be started again wherever it can."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    actor = ray.remote(ChunkQueue).options(
        num_cpus=0,
        scheduling_strategy=here,
        max_restarts=-1,
        max_task_retries=-1,
        max_concurrency=10_000,
    )
    return actor.remote(workers)


def _name_trial_folder(trial: Any) -> str:
    return f"trial-{trial.config['ticket']}"
