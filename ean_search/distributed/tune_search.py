"""Any searcher of this package as a search algorithm of Ray Tune, for the user's own script.

The usual loop runs in a thread: it proposes, keeps limits, evaluates no placement twice and spends
its budget; its evaluator is Tune. So a search is as exact here as anywhere: its state is the trials
in their order, and the placements that Tune has on its way.
"""

import json
import math
import threading
from collections.abc import Iterator, Sequence
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

SUGGEST_WAIT_SECONDS = 0.05  # that Tune's loop may wait for a searcher to propose


class PlacementSearch(Searcher):
    """Proposes placements to Ray Tune, as `{"placement": text}`; trials report an `accuracy`.

    Args:
        problem: The space, the objective and the prices.
        name: Name of a searcher of this package.
        budget: Placements to evaluate in all.
        cohort: Placements that are proposed together.
        seed: Seed of the searcher's randomness.
        options: Options of the searcher.

    Raises:
        UserError: If there is no such searcher, or it has no such options.

    Example:
        >>> search = PlacementSearch(problem, "surrogate", budget=32)
        >>> tune.Tuner(trainable, tune_config=tune.TuneConfig(search_alg=search, num_samples=-1))
    """

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
        self._numbers = {"budget": budget, "cohort": cohort, "seed": seed}  # for pickles
        make_searcher(name, problem, **self._options)  # what cannot be made is refused here
        self._past: list[str] = []  # lines of the trials before a restore
        self._live: dict[str, Placement] = {}  # by the id of Tune's trial
        self._results: dict[Placement, EvaluationResult] = {}  # that the loop has not taken yet
        self._wanted: list[Placement] = []  # that Tune has not been given yet
        self._log: TrialLog | None = None
        self._ending: str | BaseException | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def trials(self) -> list[Trial]:
        """Return the trials so far, in the search's order."""
        return list(self._log.trials) if self._log else []

    def suggest(  # type: ignore[override]  # Ray's annotation leaves out FINISHED
        self, trial_id: str
    ) -> dict[str, str] | str | None:
        """Return a placement, None while a cohort is on its way, or `Searcher.FINISHED`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._search, daemon=True)
            self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._ending, SUGGEST_WAIT_SECONDS)
            if self._wanted:
                placement = self._wanted.pop(0)
                self._live[trial_id] = placement
                return {"placement": str(placement)}
            if isinstance(self._ending, BaseException):
                raise self._ending
            return Searcher.FINISHED if self._ending else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take in the result of a placement."""
        with self._changed:
            placement = self._live.pop(trial_id, None)
            if placement is not None:
                self._results[placement] = _read_result(result or {})
                self._changed.notify_all()

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Have Tune evaluate placements, as the loop asks; yield results in their order."""
        with self._changed:
            known = {*self._results, *self._live.values()}
            self._wanted += [placement for placement in placements if placement not in known]
            self._changed.notify_all()
        for placement in placements:
            yield self._wait_for(placement)
            with self._changed:  # by now it is in the log
                del self._results[placement]

    def _wait_for(self, placement: Placement) -> EvaluationResult:
        with self._changed:
            self._changed.wait_for(lambda: placement in self._results)
            return self._results[placement]

    def save(self, checkpoint_path: str) -> None:
        """Write the state of the search to a file."""
        Path(checkpoint_path).write_text(json.dumps(self._state()))

    def restore(self, checkpoint_path: str) -> None:
        """Begin again from a state: the loop goes through the stored trials once more."""
        self._load(json.loads(Path(checkpoint_path).read_text()))

    def _state(self) -> dict[str, Any]:
        with self._changed:
            return {
                "trials": [trial.to_json() for trial in self.trials] or self._past,
                "live": {trial_id: str(p) for trial_id, p in self._live.items()},
                "found": [[str(p), result.to_row()] for p, result in self._results.items()],
            }

    def _load(self, state: dict[str, Any]) -> None:
        parse = self._problem.space.parse
        self._past = state["trials"]
        self._live = {trial_id: parse(text) for trial_id, text in state["live"].items()}
        rows = {parse(text): row for text, row in state["found"]}
        self._results = {p: EvaluationResult.from_row(row) for p, row in rows.items()}

    def _search(self) -> None:
        """Run the loop to its end."""
        ending: str | BaseException
        searcher = make_searcher(self._name, self._problem, **self._options)
        try:
            with TemporaryDirectory() as folder:
                path = Path(folder, "trials.jsonl")
                path.write_text("".join(line + "\n" for line in self._past))
                self._log = TrialLog(path, self._problem.space)
                ending = run_search(self._problem, searcher, self, self._log, self._settings)
        except BaseException as error:
            ending = error
        with self._changed:
            self._ending = ending
            self._changed.notify_all()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as arguments and state: threads and open files stay behind."""
        arguments = {"problem": self._problem, "name": self._name, "options": self._options}
        return _make_from_state, (arguments | self._numbers, self._state())


def _make_from_state(arguments: dict[str, Any], state: dict[str, Any]) -> PlacementSearch:
    search = PlacementSearch(**arguments)
    search._load(state)
    return search


def _read_result(result: dict[str, Any]) -> EvaluationResult:
    """Read a trial's last report, ours or that of a trainable that knows accuracies only."""
    if result.get("results"):
        return EvaluationResult.from_row(result["results"][0])
    accuracy = result.get("accuracy")
    if accuracy is None or math.isnan(accuracy):
        return EvaluationResult(None, 0.0, "its trial failed")
    return EvaluationResult(float(accuracy), float(result.get("time_total_s", 0.0)))
