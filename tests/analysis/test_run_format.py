"""The version of a run's format."""

import pytest

from ean_search.analysis.run_format import check_run_format
from ean_search.utils.errors import UserError


@pytest.mark.parametrize("text", ["{}", '{"format": 1}', '{"format": 2}', "broken", "[]"])
def test_runs_of_this_version_and_older_ones(tmp_path, text):
    file = tmp_path / "provenance.json"
    check_run_format(file)
    file.write_text(text)
    check_run_format(file)


def test_runs_of_a_newer_version(tmp_path):
    file = tmp_path / "provenance.json"
    file.write_text('{"format": 3}')
    with pytest.raises(UserError, match="newer ean-search: format 3 of a run"):
        check_run_format(file)
