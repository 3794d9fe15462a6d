from ean_search.analysis.trial_frame import COST_FIELDS, TRIAL_COLUMNS, trial_frame
from ean_search.core.space import Space
from ean_search.core.trial import Cost, Trial


def trial(placement, accuracy):
    cost = Cost(sites=2, params=10, macs=20, flops=30, latency_ms=1.5, activation_bytes=40)
    return Trial(0, 1, placement, "done", accuracy, 0.5, cost, 2.0, "note")


def test_a_trial_is_a_row_with_its_costs_and_sites():
    space = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2))
    frame = trial_frame([trial(space.parse("10-02"), 0.75), trial(space.parse("00-00"), None)], 4)
    assert list(frame.columns) == [*TRIAL_COLUMNS, "site0", "site1", "site2", "site3"]
    row = frame.iloc[0]
    assert (row.placement, row.accuracy, row.note) == ("10-02", 0.75, "note")
    assert row[["site0", "site1", "site2", "site3"]].tolist() == [1, 0, 0, 2]
    assert row[[*COST_FIELDS]].tolist() == [2, 10, 20, 30, 1.5, 40]
    assert frame.accuracy.isna().tolist() == [False, True]


def test_no_trials_are_an_empty_frame_with_the_same_columns():
    frame = trial_frame([], 2)
    assert frame.empty
    assert list(frame.columns) == [*TRIAL_COLUMNS, "site0", "site1"]
