"""Flags that several commands share."""

import pytest

from ean_search.cli.main import main


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5"])
def test_a_count_is_at_least_one(capsys, count):
    with pytest.raises(SystemExit):
        main(["retrain", "nowhere", "--seeds", count])
    assert f"--seeds: expected a number of at least 1, got '{count}'" in capsys.readouterr().err
