"""A run's trials as an Optuna study, for optuna-dashboard: a journal that follows the store.

The store stays the truth; the journal is made from it and may be deleted at any time. It is written
to while the search is running, by any number of dashboards: a lock keeps them from doing so twice.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState, create_trial

from ean_search.analysis.run_folder import Run
from ean_search.core.trial import Trial
from ean_search.search.searchers.optuna_logging import quietly
from ean_search.utils.errors import UserError

EVERY = 2.0  # seconds between looks at the store


class Mirror:
    """The study that shows a run's trials."""

    def __init__(self, run: Run) -> None:
        self.run, self.path, self.axis = run, run.optuna_file, run.cost_axis
        names = ["none", *(attention.name for attention in run.space.attention)]
        self.choices = [f"{number} {name}" for number, name in enumerate(names)]
        self.lock = JournalFileOpenLock(f"{self.path}.mirror")
        backend = JournalFileBackend(str(self.path), JournalFileOpenLock(str(self.path)))
        self.storage = JournalStorage(backend)
        self.size = -1  # of the store, when it was last read
        with self._alone(), quietly():
            self.study = optuna.create_study(
                study_name=run.path.resolve().name,
                storage=self.storage,
                directions=["maximize", "minimize"],
                load_if_exists=True,
            )
            self.study.set_metric_names(["accuracy", self.axis])

    def update(self) -> None:
        """Add the trials that the store has and the study has not."""
        size = self.run.trials_file.stat().st_size if self.run.trials_file.is_file() else 0
        if size == self.size:
            return
        trials = self.run.read_trials()
        with self._alone():
            known = len(self.study.get_trials(deepcopy=False))
            for trial in trials[known:]:
                self.study.add_trial(self._convert(trial))
        self.size = size

    def follow(self, stop: threading.Event) -> None:
        """Keep adding what the search adds, until told to stop."""
        while not stop.wait(EVERY):
            self.update()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.lock.acquire()
        try:
            yield
        finally:
            self.lock.release()

    def _convert(self, trial: Trial) -> FrozenTrial:
        """Make a trial of accuracy and the run's cost axis; all else becomes an attribute."""
        sites = enumerate(trial.placement.choices, 1)
        params = {f"site {site:02d}": self.choices[choice] for site, choice in sites}
        done = trial.accuracy is not None and trial.status != "stopped"
        about = {"placement": str(trial.placement), "status": trial.status, "note": trial.note}
        about |= {"reward": trial.reward, "step": trial.step, "seconds": trial.seconds}
        return create_trial(
            state=TrialState.COMPLETE if done else TrialState.FAIL,
            values=[trial.accuracy, trial.cost.on(self.axis)] if done else None,
            params=params,
            distributions=dict.fromkeys(params, CategoricalDistribution(self.choices)),
            user_attrs=about | asdict(trial.cost),
            constraints={"limits": float(trial.status == "infeasible")},
        )


@contextmanager
def dashboard(run: Run, host: str, port: int) -> Iterator[WSGIServer]:
    """Give a server of a run's dashboard, and follow the search meanwhile."""
    try:
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise UserError("expected optuna-dashboard: pip install 'ean-search[dashboard]'") from error
    mirror, stop = Mirror(run), threading.Event()
    mirror.update()
    try:
        server = make_server(host, port, wsgi(mirror.storage), _Server, _Quiet)
    except OSError as error:
        raise UserError(f"cannot serve on {host}:{port}: {error.strerror}") from error
    follower = threading.Thread(target=mirror.follow, args=(stop,), daemon=True)
    follower.start()
    try:
        yield server
    finally:
        stop.set()
        follower.join()
        server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""
