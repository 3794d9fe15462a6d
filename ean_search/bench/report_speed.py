"""How long a report takes and how large its page is, for a run of many trials on a landscape."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import yaml

from ean_search.analysis.html_report import write_report
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.analysis.run_folder import Run
from ean_search.bench.synthetic import Landscape
from ean_search.core.objective import Objective, Problem
from ean_search.core.trial import Cost
from ean_search.costs.table import Attachment, CostTable
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.registry import make_searcher, split_searcher
from ean_search.search.trial_log import TrialLog
from ean_search.utils.files import save_json
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import provenance

OBJECTIVE = "accuracy - 0.02 sites"


def bench_report(
    searcher: str, sites: list[int], trials: int, progress: Progress = silent
) -> pd.DataFrame:
    """Time the report of a run for each number of sites; imports of libraries do not count.

    Args:
        searcher: Name of the searcher of the runs.
        sites: Numbers of sites, of one run each.
        trials: Trials per run.
        progress: Receives the progress of the searches.

    Returns:
        One row per number of sites: seconds, and megabytes of the page.
    """
    rows = []
    with TemporaryDirectory() as folder:
        for count in sites:
            run = make_run(Path(folder) / f"m{count}", searcher, count, trials, progress)
            page = run.report_file
            start = time.perf_counter()
            write_report([RunAnalysis(run)], page)
            row = {"searcher": searcher, "sites": count, "trials": trials}
            row |= {"seconds": time.perf_counter() - start, "megabytes": page.stat().st_size / 1e6}
            rows.append(row | {"hardware": provenance("cpu")["hardware"]})
    return pd.DataFrame(rows)


def make_run(path: Path, searcher: str, sites: int, trials: int, progress: Progress) -> Run:
    """Write the folder of a run that searched a landscape, without its conclusions.

    Args:
        path: Where to create the folder.
        searcher: Name of the searcher; options may follow it, as in `reinforce draws=4`.
        sites: Sites of the landscape.
        trials: Trials of the search.
        progress: Receives the progress of the search.
    """
    path.mkdir(parents=True)
    landscape, run = Landscape(sites, seed=0), Run(path)
    space, table = landscape.problem.space, _make_cost_table(sites)
    name, options = split_searcher(searcher)
    search = {"searcher": name, "options": options, "budget": trials, "cohort": None, "steps": None}
    search |= {"objective": OBJECTIVE, "limits": ""}
    fields = {"space": space.model_dump(mode="json"), "search": search}
    run.experiment_file.write_text(yaml.safe_dump(fields | {"cost_axis": "latency_ms", "seed": 0}))
    save_json(provenance("cpu"), run.provenance_file)
    table.save(run.costs_file)
    problem = Problem(space, Objective.parse(OBJECTIVE), table.price)
    strategy, log = make_searcher(name, problem, **options), TrialLog(run.trials_file, space)
    settings = SearchSettings(trials, strategy.cohort)
    run_search(problem, strategy, landscape, log, settings, progress=progress)
    return run


def _make_cost_table(sites: int) -> CostTable:
    """Make up prices that differ between sites."""
    times = np.random.default_rng(0).uniform(0.1, 0.5, sites).tolist()
    rows = tuple((Attachment(i, 10_000, 0, 10_000, 10_000, t, 10**6),) for i, t in enumerate(times))
    return CostTable(Cost(0, 10**7, 4 * 10**9, 4 * 10**9, 50.0, 10**8), rows, 224, 1, "made up")
