"""The check of intervals on stored answers."""

import numpy as np
import pytest

from tests.helpers import load_script

script = load_script("interval_coverage")


def draw(images):
    """Draw the answers of placements that are right on many of the same images."""
    rng = np.random.default_rng(0)
    easy = rng.random(images) < 0.6
    return easy | (rng.random((12, images)) < 0.3)


def mean_share(right):
    return np.mean([script.coverage(right, np.random.default_rng(seed)) for seed in range(20)])


def test_intervals_hold_as_often_as_they_say(monkeypatch):
    right = draw(600)
    assert 0.93 <= mean_share(right) <= 0.98
    monkeypatch.setattr(script, "Z_VALUE", 1.0)  # of 68 %
    assert 0.63 <= mean_share(right) <= 0.75


def test_a_run_without_answers_is_one_line(monkeypatch, small_run, tmp_path):
    monkeypatch.setattr("sys.argv", ["interval_coverage.py", "results/example"])
    monkeypatch.setattr(script, "load_run", lambda path: small_run)
    script.main()
    monkeypatch.setattr(type(small_run), "read_answers", lambda self: {})
    with pytest.raises(SystemExit, match="keeps no answers"):
        script.main()
