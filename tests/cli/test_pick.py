import json
import subprocess
import sys
from pathlib import Path

import pytest

from ean_search.analysis.run_folder import load_run

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


@pytest.fixture
def trials():
    """Return the example's trials, compared with no attention and with attention everywhere."""
    frame = load_run(EXAMPLE).frame().set_index("placement")
    plain, full = (str(load_run(EXAMPLE).find(name)) for name in ("none", "all"))
    relative = frame.latency_ms / frame.latency_ms[plain]
    return frame.assign(latency_x=relative, drop=100 * (frame.accuracy[full] - frame.accuracy))


def test_the_answer_says_what_it_costs_and_what_to_do_next(run_command, trials):
    code, output, _ = run_command("pick", EXAMPLE, "--budget-cost", "latency < 1.10x")
    kept = trials[trials.latency_x < 1.10]
    best = kept.reward.idxmax()
    assert code == 0
    assert f"{trials.latency_x[best]:.3f}x" in output
    assert f"chosen among {len(kept)} of {len(trials)} evaluated placements" in output
    assert f"ean-search retrain {EXAMPLE} --placement {best}" in output
    assert "edge" not in output


def test_an_edge_is_said(run_command):
    _, output, _ = run_command("pick", EXAMPLE, "--budget-cost", "latency < 3x")
    assert "at the edge of what was searched: latency_ms < 3x excludes nothing" in output


def test_scripts_read_json(run_command, trials):
    code, output, _ = run_command("pick", EXAMPLE, "--max-drop", "0.5", "--json")
    found = json.loads(output)
    assert code == 0
    assert found["placement"] == trials[trials["drop"] < 0.5 + 1e-6].latency_ms.idxmin()
    assert found["drop"] == pytest.approx(trials["drop"][found["placement"]])
    assert found["costs"]["sites"] == trials.sites[found["placement"]]


def test_columns_are_explained(run_command):
    words = ("--budget-cost", "sites < 9", "--explain-columns")
    _, output, _ = run_command("pick", EXAMPLE, *words)
    assert "below all" in output
    assert "not explained" not in output


def test_bad_limits_are_one_line(run_command):
    code, _, errors = run_command("pick", EXAMPLE, "--budget-cost", "latency < 0.1x")
    assert code == 2
    assert errors.startswith("ean-search: no evaluated placement keeps 'latency_ms < 0.1x'")
    assert errors.count("\n") == 1


@pytest.mark.slow
def test_no_torch_is_loaded():
    code = "import sys; from ean_search.cli.main import main; "
    code += f"main(['pick', {str(EXAMPLE)!r}, '--max-drop', '1']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
