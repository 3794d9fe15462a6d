"""Trains the best placements of a search stand-alone and ranks them again.

Shared weights rank roughly; a short schedule of a placement's own is dearer and ranks better. The
trainings are trials of a store of their own, so that stopping in between costs nothing.
"""

from ean_search.analysis.run_folder import Run
from ean_search.core.objective import Problem
from ean_search.search.evaluator import Evaluator
from ean_search.search.trial_log import TrialLog
from ean_search.search.trial_recorder import TrialRecorder


def verify(run: Run, problem: Problem, evaluator: Evaluator, count: int) -> None:
    """Train the placements of the highest rewards; what was trained before is not again."""
    done = [trial for trial in run.read_trials() if trial.status == "done"]
    best = sorted(done, key=lambda trial: (-trial.reward, trial.number))[:count]
    recorder = TrialRecorder(problem, evaluator, TrialLog(run.verified_file, problem.space))
    recorder.evaluate([trial.placement for trial in best], 0, count)
