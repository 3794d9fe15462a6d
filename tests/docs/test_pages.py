"""The generated pages of the documentation name all that they are written from."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_table_keeps_its_cells_apart(pages):
    text = pages.table(("a", "b"), [("x | y", "1 < 2")])
    assert text == "| a | b |\n| --- | --- |\n| x \\| y | 1 &lt; 2 |"


def test_every_command_has_a_section_with_its_flags(pages):
    text = pages.commands(ROOT)
    section = text.split("## ean-search run\n")[1].split("\n## ")[0]
    assert "`--experiment`" in section
    assert "\n## ean-search bench attack\n" in text
    assert "suppress" not in text.lower()


def test_every_field_has_its_default(pages):
    text = pages.experiment(ROOT)
    assert "| `search.budget` | `int` | `64` |" in text
    assert "| `space.backbone` | `str` | `required` |" in text


def test_public_names_are_documented(pages):
    text = pages.api(ROOT)
    assert ".. autofunction:: ean_search.search_attention\n" in text
    assert ".. autoclass:: ean_search.Placement\n" in text


def test_the_matrix_has_every_row_of_its_file(pages):
    rows = pd.read_csv(ROOT / "results" / "coverage.csv")
    assert not rows.duplicated(["family", "attention"]).any()  # one cell each
    lines = pages.support(ROOT).splitlines()
    assert sum(line.count(" sites |") for line in lines) == (rows["status"] == "ok").sum()


def test_long_benchmarks_are_cut_and_say_so(pages):
    text = pages.benchmarks(ROOT)
    length = len(pd.read_csv(ROOT / "results" / "searchers.csv"))
    assert f"The first 40 of {length} rows." in text


def test_links_of_the_log_lead_to_the_repository(pages, tmp_path):
    (tmp_path / "experiments").mkdir()
    log = tmp_path / "experiments" / "README.md"
    log.write_text("[a](x.yaml) [b](https://c) [d](#e)")
    assert pages.log(tmp_path) == "[a](../../experiments/x.yaml) [b](https://c) [d](#e)"


def test_folders_say_what_they_import(pages):
    line = next(row for row in pages.architecture(ROOT).splitlines() if "| `attention` |" in row)
    assert line.endswith("| utils |")


def test_a_page_is_written_once(pages, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "PAGES", {"one": lambda root: "# One\n"})
    pages.write_pages(ROOT, tmp_path / "made")
    path = tmp_path / "made" / "one.md"
    before = path.stat().st_mtime_ns
    pages.write_pages(ROOT, tmp_path / "made")
    assert path.read_text() == "# One\n"
    assert path.stat().st_mtime_ns == before
