"""The measurements run and name what they measured; how fast things are is not for tests."""

import pandas as pd
import pytest

from ean_search.bench import speed
from ean_search.bench.timing import TimingSettings


@pytest.mark.slow
def test_cohorts_are_timed_against_their_members(small_resnet):
    frame = speed.measure_cohorts(small_resnet, TimingSettings(image_size=32, images=4, rounds=1))
    assert list(frame.measured) == [1, 64, 64, 256, 256]
    assert list(frame.stands_for) == [1, 64, 64, 256, 256]
    assert (frame.speedup > 0).all()
    assert frame.lowest.le(frame.speedup).all()
    assert frame.speedup.le(frame.highest).all()
    assert frame.speedup.iloc[3] > frame.speedup.iloc[0]


def test_spaces_of_few_sites_have_smaller_cohorts(tiny):
    cohorts = speed._make_cohorts(tiny)
    assert [len(cohort.placements) for cohort in cohorts] == [1, 64, 64, 16, 16]
    assert cohorts[3].name == "16 of the last 4 sites"


def test_the_first_frame_is_there_before_the_others_are_measured(tiny, monkeypatch):
    measured = []

    def measure(name):
        return lambda *args: measured.append(name) or pd.DataFrame({"value": [1.0]})

    for name in ("measure_cohorts", "measure_ratios"):
        monkeypatch.setattr(speed, name, measure(name))
    frames = speed.bench_speed(tiny, TimingSettings(image_size=32, images=4, rounds=1))
    name, frame = next(frames)
    assert (name, measured) == ("speed", ["measure_cohorts"])
    assert frame.hardware.notna().all()
    name, _ = next(frames)
    assert (name, measured) == ("speed_ratios", ["measure_cohorts", "measure_ratios"])
