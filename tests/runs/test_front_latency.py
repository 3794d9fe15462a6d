"""Limits on latency, and the cost table, against latencies that a test makes up."""

import pytest

from ean_search.analysis.caveats import caveats
from ean_search.analysis.run_folder import load_run
from ean_search.core.objective import Objective, Problem
from ean_search.core.trial import Cost, Trial
from ean_search.costs import timing_quality
from ean_search.costs.table import Attachment, CostTable
from ean_search.costs.timing_quality import Timing
from ean_search.runs.experiment import load_experiment, save_experiment
from ean_search.runs.front_latency import FrontLatency
from ean_search.runs.pipeline import resolve
from ean_search.runs.summary import next_commands
from tests.helpers import SMALL_EXPERIMENT

# Priced at 1.03x, 1.06x and 1.09x: all of them keep the limit by the table.
NONE, ONE, TWO, THREE = "0-0-0-0", "1-0-0-0", "1-1-0-0", "1-1-1-0"
ACCURACIES = {NONE: 0.50, ONE: 0.59, TWO: 0.63, THREE: 0.65}
AS_PRICED = {NONE: 10.0, ONE: 10.3, TWO: 10.6, THREE: 10.9}
LIMITS = "latency < 1.10x, sites <= 3"


def made(**changes):
    fields = {"date": "2026-01-01T00:00:00+00:00", "rounds": 20}
    return Timing(**(fields | {"spread": 0.02, "halves": 0.01, "load": 0.0} | changes))


@pytest.fixture(autouse=True)
def tolerances(monkeypatch):
    monkeypatch.setattr(timing_quality, "LOAD_TOLERANCE", 0.10)


@pytest.fixture
def measure(tmp_path):
    """Return a function that makes a run, and measured latencies of it."""

    def make(milliseconds, table_timing=None, measured_timing=None):
        experiment = load_experiment(None, SMALL_EXPERIMENT | {"search.limits": LIMITS})
        save_experiment(resolve(experiment), tmp_path / "experiment.yaml")
        run = load_run(tmp_path)
        attachment = Attachment(0, 0, 0, 0, 0, 0.3, 8)
        rows = ((attachment,),) * run.space.sites
        table = CostTable(Cost(0, 9, 9, 9, 10.0, 9), rows, 32, 1, "a machine", table_timing)
        table.save(run.costs_file)
        problem = Problem(run.space, Objective.parse("accuracy", LIMITS), table.price)
        lines = []
        for number, (text, accuracy) in enumerate(ACCURACIES.items()):
            placement = run.space.parse(text)
            cost = table.price(placement)
            trial = Trial(number, 0, placement, "done", accuracy, accuracy, cost, 1.0)
            lines.append(trial.to_json() + "\n")
        run.trials_file.write_text("".join(lines))
        return FrontLatency(run, problem, milliseconds, measured_timing or made())

    return make


def test_what_the_table_promised_and_the_networks_keep_is_recommended_by_name(measure):
    latency = measure(AS_PRICED)
    front = latency.front()
    assert list(front.placement) == [*ACCURACIES]
    assert list(front.latency_measured_x) == pytest.approx([1.0, 1.03, 1.06, 1.09])
    assert front.measured_keeps_limits.all()
    assert latency.recommended() == ["best", "knee"]
    assert latency.describe()["findings"] == []
    assert latency.describe()["largest_difference"] == pytest.approx(0.0)


def test_members_that_break_a_limit_are_marked_and_not_recommended(measure):
    latency = measure(AS_PRICED | {THREE: 11.34})
    assert list(latency.front().measured_keeps_limits) == [True, True, True, False]
    assert latency.recommended()[0] == TWO  # in place of best
    assert latency.run.find("best") == latency.run.find(THREE)  # as the search saw it
    finding = latency.describe()["findings"][-1]
    assert finding.startswith("1 of 4 placements of the front (marked !) break a limit on latency")
    assert LIMITS in finding
    commands = next_commands(latency.run, names=latency.recommended())
    assert commands[1].endswith(f"--placement {TWO}")


def test_a_knee_that_breaks_a_limit_is_that_of_what_keeps_it(measure):
    latency = measure(AS_PRICED | {ONE: 11.5})
    assert str(latency.run.find("knee")) == ONE
    assert latency.recommended() == ["best", TWO]


def test_a_summary_says_when_nothing_with_attention_keeps_a_limit(measure):
    latency = measure({NONE: 10.0, ONE: 11.1, TWO: 11.4, THREE: 11.7})
    assert latency.recommended() == []
    assert latency.describe()["findings"][-1].endswith(
        "no measured placement with attention keeps it."
    )
    assert next_commands(latency.run, names=latency.recommended()) == [
        f"ean-search report {latency.run.path}"
    ]


def test_limits_on_other_costs_are_not_checked_again(measure):
    latency = measure(AS_PRICED)
    assert latency.keeps_limits(THREE)
    latency.milliseconds["1-1-1-1"] = 10.9  # by its four sites, it was infeasible in the search
    assert latency.keeps_limits("1-1-1-1")


def test_a_table_that_disagrees_with_the_networks_is_said_with_figures(measure):
    latency = measure(AS_PRICED | {THREE: 13.0}, table_timing=made())
    about = latency.describe()
    assert about["largest_difference"] == pytest.approx(13.0 / 10.9 - 1)
    # 3 % of the sum of attachments, twice the errors of two ratios of medians of 20 rounds
    explained = 0.03 + 2 * (2 * (0.93 * 0.02) ** 2 * 2 / 20) ** 0.5
    assert about["explained_difference"] == pytest.approx(explained)
    assert about["findings"][0].startswith(
        "The cost table says 1.090x for the latency of 1-1-1-0, its pruned network measures "
        "1.300x: +19 %, where the spread of the timings explains 5 %."
    )
    assert set(about["findings"]) <= set(caveats({"latency": about}))


def test_a_difference_within_the_spread_is_not_said(measure):
    milliseconds = AS_PRICED | {THREE: 10.9 * 0.93}
    assert measure(milliseconds, made()).describe()["findings"]
    noisy = measure(milliseconds, made(spread=0.10), made(spread=0.10))
    assert noisy.describe()["findings"] == []


def test_doubtful_timings_are_said_and_older_tables_have_none(measure):
    busy = "other processes used 50 % of the CPUs (tolerance 10 %)."
    findings = measure(AS_PRICED, made(load=0.5), made(load=0.5)).describe()["findings"]
    assert findings == [
        f"The latencies of the cost table are doubtful: {busy}",
        f"The latencies of the front are doubtful: {busy}",
    ]
    assert measure(AS_PRICED).describe()["table_timing"] is None
