"""Any searcher of this package as a search algorithm of Ray Tune, for the user's own script.

The usual loop runs in a thread: it proposes, keeps limits, evaluates nothing twice and spends its
budget as ever; its evaluator is Tune. So a search is as exact here as anywhere: its state are the
trials in their order, and what Tune has on its way.
"""

import json
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ray.tune.search import Searcher

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult, Trial
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.registry import DEFAULT_SEARCHER, make_searcher
from ean_search.search.trial_log import TrialLog

MOMENT = 0.05  # seconds that Tune's loop may wait for a searcher to make up its mind


class PlacementSearch(Searcher):
    """Propose placements, as `{"placement": text}`; trials report an `accuracy`."""

    def __init__(
        self,
        problem: Problem,
        name: str = DEFAULT_SEARCHER,
        *,
        budget: int = 64,
        cohort: int = 8,
        seed: int = 0,
        options: dict[str, Any] | None = None,
    ):
        super().__init__(metric="accuracy", mode="max")
        self._problem, self._name, self._options = problem, name, options or {}
        self._settings = SearchSettings(budget=budget, cohort=cohort, seed=seed)
        make_searcher(name, problem, **self._options)  # what cannot be made is said at once
        self._past: list[str] = []  # lines of the trials before a restore
        self._live: dict[str, Placement] = {}
        self._found: dict[Placement, EvaluationResult] = {}
        self._prepare()

    def _prepare(self) -> None:
        self._wanted: list[Placement] = []
        self._store: TrialLog | None = None
        self._ended: str | BaseException | None = None
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def trials(self) -> list[Trial]:
        """Return the trials so far, in the search's order."""
        return list(self._store.trials) if self._store else []

    def suggest(self, trial_id: str) -> dict[str, str] | str | None:
        """Give a placement, nothing while a cohort is on its way, or the end."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._search, daemon=True)
            self._thread.start()
        with self._news:
            self._news.wait_for(lambda: self._wanted or self._ended, MOMENT)
            if self._wanted:
                placement = self._wanted.pop(0)
                self._live[trial_id] = placement
                return {"placement": str(placement)}
            if isinstance(self._ended, BaseException):
                raise self._ended
            return Searcher.FINISHED if self._ended else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take in how a placement did."""
        with self._news:
            placement = self._live.pop(trial_id, None)
            if placement is not None:
                self._found[placement] = _read_result(result or {})
                self._news.notify_all()

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Have Tune evaluate placements, as the loop asks."""
        with self._news:
            have = {*self._found, *self._live.values()}
            self._wanted += [placement for placement in placements if placement not in have]
            self._news.notify_all()
        for placement in placements:
            with self._news:
                self._news.wait_for(lambda wanted=placement: wanted in self._found)
                measured = self._found[placement]
            yield measured
            with self._news:  # by now it is in the store
                del self._found[placement]

    def save(self, checkpoint_path: str) -> None:
        """Write the state of the search."""
        Path(checkpoint_path).write_text(json.dumps(self._state()))

    def restore(self, checkpoint_path: str) -> None:
        """Begin again from a state: the loop goes through the stored trials once more."""
        self._load(json.loads(Path(checkpoint_path).read_text()))

    def _state(self) -> dict[str, Any]:
        with self._news:
            lines = [trial.to_json() for trial in self.trials] or self._past
            found = [
                [str(p), m.accuracy, m.seconds, m.note, m.stopped] for p, m in self._found.items()
            ]
            return {
                "trials": lines,
                "live": {trial_id: str(p) for trial_id, p in self._live.items()},
                "found": found,
            }

    def _load(self, state: dict[str, Any]) -> None:
        parse = self._problem.space.parse
        self._past = state["trials"]
        self._live = {trial_id: parse(text) for trial_id, text in state["live"].items()}
        self._found = {parse(text): EvaluationResult(*rest) for text, *rest in state["found"]}

    def _search(self) -> None:
        """Run the loop to its end."""
        searcher = make_searcher(self._name, self._problem, **self._options)
        try:
            with TemporaryDirectory() as folder:
                path = Path(folder, "trials.jsonl")
                path.write_text("".join(line + "\n" for line in self._past))
                self._store = TrialLog(path, self._problem.space)
                ending = run_search(self._problem, searcher, self, self._store, self._settings)
        except BaseException as error:
            ending = error
        with self._news:
            self._ended = ending
            self._news.notify_all()

    def __getstate__(self) -> dict[str, Any]:
        made = [self._problem, self._name, self._options, self._settings]
        return {"made": made, "state": self._state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        problem, name, options, settings = state["made"]
        self.__init__(problem, name, options=options, **asdict(settings))
        self._load(state["state"])


def _read_result(result: dict[str, Any]) -> EvaluationResult:
    """Read a trial's last report, ours or that of a trainable that knows accuracies only."""
    if result.get("results"):
        return EvaluationResult(*result["results"][0])
    accuracy = result.get("accuracy")
    if accuracy is None or math.isnan(accuracy):
        return EvaluationResult(None, 0.0, "its trial failed")
    return EvaluationResult(float(accuracy), float(result.get("time_total_s", 0.0)))
