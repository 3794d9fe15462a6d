"""The traces of a front."""

import json

import pytest

from ean_search.analysis.figure_layout import NOT_TOLD_APART, TOLD_APART
from ean_search.analysis.plotly_front import front_traces
from ean_search.analysis.run_analysis import RunAnalysis


@pytest.fixture
def judged(run):
    """A run whose front was judged: the dearest member is not surely better than the one before."""
    summary = json.loads(run.summary_file.read_text())
    members = summary["front"]
    for number, row in enumerate(members):
        told = number < len(members) - 1
        row |= {"judged_accuracy": 0.6, "judged_error": 0.01, "told_apart": told}
    run.summary_file.write_text(json.dumps(summary))
    return RunAnalysis(run)


def test_members_are_drawn_by_how_sure_they_are(judged):
    traces = {t.name: t for t in front_traces(judged, "latency_ms", "red", several=False)}
    unsure, sure = traces[NOT_TOLD_APART], traces[TOLD_APART]
    assert len(unsure.x) == 1
    assert unsure.x[0] > max(sure.x)
    assert list(unsure.y) == [60]
    assert unsure.error_y.array[0] == pytest.approx(1.96)
    assert (sure.marker.symbol, unsure.marker.symbol) == ("diamond", "diamond-open")


def test_every_cost_axis_has_the_same_traces(judged):
    names = [
        [trace.name for trace in front_traces(judged, axis, "red", several=False)]
        for axis in judged.cost_axes
    ]
    assert all(found == names[0] for found in names)


def test_beside_other_runs_there_is_no_room_for_judgements(judged):
    names = {trace.name for trace in front_traces(judged, "latency_ms", "red", several=True)}
    assert not names & {TOLD_APART, NOT_TOLD_APART}
