"""The example that compares cold and warm searches of a table, run small."""

import pytest

from tests.helpers import load_script
from tests.synthetic import write_synthetic


@pytest.mark.slow
def test_the_script_compares_cold_and_warm_searches(tmp_path, monkeypatch, capsys, one_thread):
    script = load_script("warm_start")
    source = write_synthetic(tmp_path / "six.parquet")
    words = ["warm_start.py", source, "--seeds", "2", "--budget", "20", "--estimates", "estimate"]
    monkeypatch.setattr("sys.argv", words)
    script.main()
    cold, warm = capsys.readouterr().out.splitlines()
    assert "cold" in cold
    assert "warm" in warm
    rows = script.compare(source, 2, 20, "estimate")
    assert rows["warm"].shape == (2, 2)
    assert (rows["cold"][:, 0] <= 64).all()
