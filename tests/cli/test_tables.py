import json
from pathlib import Path

import pytest

from ean_search.analysis.run_folder import load_run
from ean_search.cli.tables import print_summary, print_table

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


@pytest.fixture
def summary():
    return json.loads((EXAMPLE / "summary.json").read_text())


def test_tables_align_figures_to_the_right(capsys):
    print_table(["name", "count"], [["a", "7"], ["bcd", "1,234"]])
    assert capsys.readouterr().out.splitlines() == ["name  count", "a         7", "bcd   1,234"]


def test_a_summary_of_an_earlier_version_is_printed(summary, capsys):
    for key in ("significance", "more_accurate", "notes"):
        summary.pop(key, None)
    print_summary(load_run(EXAMPLE), summary)
    out = capsys.readouterr().out
    assert "\nrandom  mean of 5 " in out
    assert "note: " not in out


def test_random_placements_that_are_all_the_best_one_are_no_row(summary, capsys):
    none = summary["comparison"]["none"]
    summary["comparison"]["best"] = none
    summary["comparison"]["random"] |= {"placements": [none["placement"]] * 5, "deviation": 0.0}
    summary["notes"] = ["there is nothing to compare"]
    print_summary(load_run(EXAMPLE), summary)
    out = capsys.readouterr().out
    assert "mean of" not in out
    assert "\nnote: there is nothing to compare\n" in out
