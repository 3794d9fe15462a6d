import json
import subprocess
import sys
from pathlib import Path

import pytest

from ean_search.analysis.pick import pick_placement

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


def test_the_answer_says_what_it_costs_and_what_to_do_next(run_command):
    limits = "latency < 1.03x"
    picked = pick_placement(EXAMPLE, limits)
    code, output, _ = run_command("pick", EXAMPLE, "--budget-cost", limits)
    assert code == 0
    assert f"{picked.latency_x:.3f}x" in output
    assert f"chosen among {picked.kept} of {picked.evaluated} evaluated placements" in output
    assert f"ean-search retrain {EXAMPLE} --placement {picked.placement}" in output
    assert output.count("at the edge") == len(picked.edges)


def test_an_edge_is_said(run_command):
    _, output, _ = run_command("pick", EXAMPLE, "--budget-cost", "latency < 3x")
    assert "at the edge of what was searched: latency_ms < 3x excludes nothing" in output


def test_scripts_read_json(run_command):
    code, output, _ = run_command("pick", EXAMPLE, "--max-drop", "0.5", "--json")
    found = json.loads(output)
    assert code == 0
    assert found["placement"] == pick_placement(EXAMPLE, max_drop=0.5).placement
    assert found["drop"] <= 0.5 + 1e-9
    assert set(found["costs"]) >= {"sites", "latency_ms"}


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
