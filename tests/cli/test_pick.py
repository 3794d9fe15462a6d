import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


def test_the_answer_says_what_it_costs_and_what_to_do_next(run_command):
    code, output, _ = run_command("pick", EXAMPLE, "--budget-cost", "latency < 1.05x")
    assert code == 0
    assert "010-1000-010111-101" in output
    assert "1.034x" in output
    assert "chosen among 60 of 64 evaluated placements" in output
    assert f"ean-search retrain {EXAMPLE} --placement 010-1000-010111-101" in output
    assert "edge" not in output


def test_an_edge_is_said(run_command):
    _, output, _ = run_command("pick", EXAMPLE, "--budget-cost", "latency < 3x")
    assert "at the edge of what was searched: latency_ms < 3x excludes nothing" in output


def test_scripts_read_json(run_command):
    code, output, _ = run_command("pick", EXAMPLE, "--max-drop", "0.5", "--json")
    found = json.loads(output)
    assert code == 0
    assert found["drop"] == pytest.approx(0.5)
    assert found["costs"]["sites"] == 7


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
