"""Fields of experiments: files that build on each other, and changes by dotted names."""

import pytest

from ean_search.runs.experiment_files import gather_fields, name_leaves, spell_out_searcher
from ean_search.utils.errors import UserError


def test_later_files_and_changes_win(tmp_path):
    (tmp_path / "base.yaml").write_text("search: {budget: 8, cohort: 2}\nseed: 1\n")
    file = tmp_path / "mine.yaml"
    file.write_text("base: base.yaml\nsearch: {budget: 16}\n")
    fields = gather_fields(file, {"search.cohort": 4})
    assert fields == {"search": {"budget": 16, "cohort": 4}, "seed": 1}


def test_a_file_that_builds_on_itself_is_refused(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("base: mine.yaml\n")
    with pytest.raises(UserError, match="builds on itself"):
        gather_fields(file, {})


def test_leaves_are_named_by_dots_and_null_is_none():
    assert list(name_leaves({"a": {"b": 1, "c": None}, "d": 2})) == ["a.b", "d"]


def test_options_beside_a_searchers_name_are_spelled_out():
    spelled = spell_out_searcher({"searcher": "random tries=50"})
    assert spelled == {"searcher": "random", "options": {"tries": 50}}
