import numpy as np
import pandas as pd
import pytest

from ean_search.analysis.site_effects import fit_effects, site_frame
from ean_search.core.pareto import front
from ean_search.core.space import Space

TRUTH = {(0, 1): 0.03, (1, 2): -0.02}  # what choice k at a site adds


@pytest.fixture
def space():
    return Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2))


@pytest.fixture
def frame(space, rng):
    placements = [space.sample(rng) for _ in range(200)]
    rows = [{f"site{i}": choice for i, choice in enumerate(p.choices)} for p in placements]
    frame = pd.DataFrame(rows).assign(status="done", latency_ms=[p.attached for p in placements])
    effect = sum(v * (frame[f"site{site}"] == k) for (site, k), v in TRUTH.items())
    return frame.assign(accuracy=0.7 + effect + rng.normal(0, 0.005, 200))


def test_effects_are_found_with_intervals_that_hold_them(frame, space):
    cells = site_frame(frame, front(frame), space).set_index(["site", "choice"])
    assert len(cells) == 8
    missed = 0
    for key, row in cells.iterrows():
        assert row.effect == pytest.approx(TRUTH.get(key, 0.0), abs=0.005)
        missed += not row.low <= TRUTH.get(key, 0.0) <= row.high
    assert missed <= 2
    assert cells.loc[(0, 1), "low"] > 0 > cells.loc[(1, 2), "high"]
    assert set(cells.loc[(3, 2)][["stage", "attention"]]) == {1, "eca"}


def test_shares_of_the_front_and_counts_of_trials_are_those_of_the_frames(frame, space):
    members = front(frame)
    cells = site_frame(frame, members, space).set_index(["site", "choice"])
    assert cells.loc[(0, 1), "front_share"] == (members.site0 == 1).mean()
    assert cells.loc[(2, 2), "trials"] == (frame.site2 == 2).sum()


def test_the_interval_of_one_site_is_the_textbooks():
    on = np.array([0, 0, 0, 1, 1, 1.0])
    y = np.array([1, 2, 3, 5, 5, 8.0])
    (effect,), (half,) = fit_effects(on[:, None], y)
    deviation = np.sqrt((2 + 6) / 4)
    assert effect == pytest.approx(4)
    assert half == pytest.approx(2.7764451 * deviation * np.sqrt(2 / 3))


def test_what_the_trials_cannot_tell_apart_is_not_told(frame, space):
    frame["site1"] = frame.site0
    frame["site3"] = 1
    cells = site_frame(frame, front(frame), space).set_index(["site", "choice"])
    assert cells.effect[[(0, 1), (1, 1), (3, 1)]].isna().all()
    assert np.isfinite(cells.effect[(2, 1)])


def test_few_trials_say_nothing(frame, space):
    for count in (0, 1, 4):
        cells = site_frame(frame[:count], frame[:0], space)
        assert cells.effect.isna().all()
        assert cells.front_share.isna().all()
