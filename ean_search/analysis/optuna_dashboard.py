"""A run's trials as an Optuna study, for optuna-dashboard.

The trial log stays the only state of the search. The study is a copy of it, in an Optuna journal
beside it, and may be deleted at any time. Any number of dashboards may update the copy while the
search is running: a lock keeps them from adding a trial twice.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState, create_trial

from ean_search.analysis.run_folder import Run
from ean_search.core.trial import Trial
from ean_search.search.searchers.optuna_logging import silence_optuna
from ean_search.utils.errors import UserError, first_line
from ean_search.utils.safe_paths import refuse_links

POLL_INTERVAL_SECONDS = 2.0  # between two looks at the trial log
TIMES_NOTE = (  # for the dashboard's reader
    "The trial log keeps the order of the trials and how long each took, not when it was. Times "
    "are counted back from when the log was last written, as if trials had followed each other "
    "without a pause."
)


class StudyMirror:
    """The Optuna study that mirrors a run's trials.

    Args:
        run: The run; the study is created in its folder, or opened if it is there.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.cost_axis = run, run.cost_axis
        refuse_links(run.path)
        names = ["none", *(attention.name for attention in run.space.attention)]
        self.choices = [f"{number} {name}" for number, name in enumerate(names)]
        journal = str(run.optuna_file)
        self.lock = JournalFileOpenLock(f"{journal}.mirror")
        backend = JournalFileBackend(journal, JournalFileOpenLock(journal))
        self.storage = JournalStorage(backend)
        self.log_bytes = -1  # size of the trial log when it was last read
        with self._locked(), silence_optuna():
            self.study = optuna.create_study(
                study_name=run.path.resolve().name,
                storage=self.storage,
                directions=["maximize", "minimize"],
                load_if_exists=True,
            )
            self.study.set_metric_names(["accuracy", self.cost_axis])
            self.study.set_user_attr("times", TIMES_NOTE)

    def update(self) -> None:
        """Add the trials that the log has and the study does not have."""
        log_file = self.run.trials_file
        log_bytes = log_file.stat().st_size if log_file.is_file() else 0
        if log_bytes == self.log_bytes:
            return
        trials, written = self.run.read_trials(), _time_of_change(log_file)
        with self._locked():
            mirrored = len(self.study.get_trials(deepcopy=False))
            new = trials[mirrored:]
            for trial, times in zip(new, _evaluation_times(new, written), strict=True):
                self.study.add_trial(self._convert(trial, *times))
        self.log_bytes = log_bytes

    def follow(self, stop: threading.Event) -> None:
        """Keep adding what the search adds, until the event is set."""
        while not stop.wait(POLL_INTERVAL_SECONDS):
            self.update()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.lock.acquire()
        try:
            yield
        finally:
            self.lock.release()

    def _convert(self, trial: Trial, start: datetime, end: datetime) -> FrozenTrial:
        """Return a trial of accuracy and the run's cost axis; all else becomes an attribute."""
        sites = enumerate(trial.placement.choices, 1)
        params = {f"site {site:02d}": self.choices[choice] for site, choice in sites}
        values = None
        if trial.accuracy is not None and trial.status != "stopped":
            values = [trial.accuracy, trial.cost.on(self.cost_axis)]
        converted = create_trial(
            state=TrialState.FAIL if values is None else TrialState.COMPLETE,
            values=values,
            params=params,
            distributions=dict.fromkeys(params, CategoricalDistribution(self.choices)),
            user_attrs=_attributes(trial),
            constraints={"limits": float(trial.status == "infeasible")},
        )
        converted.datetime_start, converted.datetime_complete = start, end
        return converted


def _time_of_change(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime if file.is_file() else 0)


def _evaluation_times(
    trials: Sequence[Trial], written: datetime
) -> list[tuple[datetime, datetime]]:
    """Estimate when each trial began and ended: TIMES_NOTE says how."""
    times, end = [], written
    for trial in reversed(trials):
        start = end - timedelta(seconds=trial.seconds)
        times.append((start, end))
        end = start
    return times[::-1]


def _attributes(trial: Trial) -> dict[str, Any]:
    """Return what the dashboard shows of a trial beside its two values."""
    return {
        "placement": str(trial.placement),
        "status": trial.status,
        "note": trial.note,
        "reward": trial.reward,
        "step": trial.step,
        "seconds": trial.seconds,
        **asdict(trial.cost),
    }


@contextmanager
def dashboard(run: Run, host: str, port: int) -> Iterator[WSGIServer]:
    """Open a server of a run's dashboard, and follow the search until the context is left.

    Args:
        run: The run, finished or not.
        host: The name or address to serve on.
        port: The port to serve on; with 0, the system chooses one.

    Yields:
        The server; the caller calls its `serve_forever`.

    Raises:
        UserError: If optuna-dashboard is not installed or the port is in use.
    """
    if not host.strip():  # sockets would take it for all interfaces
        raise UserError("expected a host to serve on, such as localhost, or 0.0.0.0 for everybody")
    make_app = _import_wsgi()  # first: without it, nothing is written
    mirror, stop = StudyMirror(run), threading.Event()
    mirror.update()
    try:
        server = make_server(host, port, make_app(mirror.storage), _ThreadingServer, _SilentHandler)
    except (OSError, OverflowError, UnicodeError) as error:
        raise UserError(f"cannot serve on {host}:{port}: {first_line(error)}") from error
    follower = threading.Thread(target=mirror.follow, args=(stop,), daemon=True)
    follower.start()
    try:
        yield server
    finally:
        stop.set()
        follower.join()
        server.server_close()


def _import_wsgi() -> Callable[[JournalStorage], Any]:
    """Import the function that makes the dashboard's application."""
    try:
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise UserError("expected optuna-dashboard: pip install 'ean-search[dashboard]'") from error
    make_app: Callable[[JournalStorage], Any] = wsgi
    return make_app


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no requests."""
