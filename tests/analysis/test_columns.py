"""Every column that is printed or written is explained, and docs/columns.md is up to date.

`python -m tests.analysis.test_columns` writes that page again.
"""

import csv
from pathlib import Path

import pytest

from ean_search.analysis.columns import (
    ALIASES,
    GENERAL,
    PATTERNS,
    TABLES,
    columns_page,
    explain,
    find_column,
    table_of,
)
from ean_search.analysis.run_analysis import open_run
from ean_search.cli.tables import VERIFIED_COLUMNS, comparison_columns, front_columns
from ean_search.core.score import ACCURACY

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "columns.md"
FILES = sorted([*ROOT.glob("results/*.csv"), ROOT / "results" / "example" / "front.csv"])
ALL = [GENERAL, PATTERNS, *TABLES.values()]


def unexplained(names, table):
    return [name for name in names if find_column(name, table) is None]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_committed_files_are_explained(file):
    with file.open(newline="") as lines:
        header = next(csv.reader(lines))
    assert not unexplained(header, file.stem)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("front", front_columns(ACCURACY)),
        ("compared", comparison_columns(ACCURACY)),
        ("verified", VERIFIED_COLUMNS),
    ],
)
def test_tables_of_a_run_are_explained(table, columns):
    assert not unexplained([name for name, _ in columns], table)


def test_the_frame_of_a_run_is_explained():
    assert not unexplained(open_run(ROOT / "results" / "example").frame().columns, "trials")


def test_columns_with_names_and_numbers():
    for name in ("until_0.1%", "rounds_until_1.0%", "p_optuna-tpe", "p_ean_until_1.0%"):
        assert find_column(name, "searchers")
    for name in ("best minus this (95 %)", "test %", "mAP@0.5 %", "top-1 %", "mIoU %"):
        assert find_column(name, "retrained")
    assert find_column("site53").meaning != find_column("accuracy_0").meaning
    assert find_column("siteless") is None


def test_a_table_says_what_differs_from_the_general_meaning():
    assert find_column("accuracy", "comparison").meaning != find_column("accuracy").meaning
    assert find_column("params", "comparison") == find_column("params")
    assert find_column("tau", "supernet_eight") == find_column("tau", "supernet")
    assert find_column("figure", "speed_ratios") != find_column("figure")


def test_names_of_files_lead_to_their_tables():
    assert table_of("speed_networks") == "speed_networks"
    assert table_of("racing_eight") == "racing"
    assert table_of("transfer_detect") == "retrained"
    assert table_of("mine") == "mine"
    assert set(ALIASES.values()) <= set(TABLES)


def test_flops_are_said_to_be_multiply_adds():
    for name in ("FLOPs", "flops"):
        unit, meaning = find_column(name, "cost")
        assert unit == "multiply-adds"
        assert "FLOPs are multiply-adds, as fvcore counts them" in meaning


def test_explanations_are_aligned_and_one_line_each():
    lines = explain(["", "sites", "latency ms", "mine"], "compared")
    assert lines[0].startswith("(no header)         best by reward")
    assert lines[1] == "sites        sites  sites with attention"
    assert lines[3].endswith("not explained")


def test_texts_are_short_and_complete():
    for columns in ALL:
        for name, (unit, meaning) in columns.items():
            assert 0 < len(meaning) <= 180, name
            assert len(unit) <= 13, name
            assert "\n" not in unit + meaning


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == columns_page(), "python -m tests.analysis.test_columns"


if __name__ == "__main__":
    PAGE.write_text(columns_page())
