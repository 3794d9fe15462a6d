"""Another budget without another search."""

import pytest

from ean_search.analysis.pick import pick_placement
from ean_search.analysis.run_folder import load_run
from ean_search.core.space import Space
from ean_search.core.trial import Cost, Trial
from ean_search.search.trial_log import TrialLog
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_json

SPACE = Space(name="toy", backbone="none", attention="se", stages=(2, 2))
# Latency is 10 ms, and 1, 2, 3, 4 ms for the sites.
ACCURACIES = {
    "00-00": 0.50,
    "11-11": 0.80,
    "01-01": 0.79,
    "10-10": 0.70,
    "00-11": 0.60,
    "11-00": 0.78,
}


def make_run(folder, accuracies=ACCURACIES, *, limits="", ended=True, objective="accuracy"):
    """Write the files of a run that a pick reads."""
    search = {"objective": objective, "limits": limits}
    fields = {"space": SPACE.model_dump(mode="json"), "search": search, "cost_axis": "latency"}
    folder.mkdir()
    save_json(fields, folder / "experiment.yaml")  # JSON is YAML
    log = TrialLog(folder / "trials.jsonl", SPACE)
    for number, (text, accuracy) in enumerate(accuracies.items()):
        placement = SPACE.parse(text)
        latency = 10.0 + sum((k + 1) * choice for k, choice in enumerate(placement.choices))
        status = "infeasible" if limits and latency > 14 else "done"
        reward = accuracy if status == "done" else -2.0
        cost = Cost(placement.attached, 100, 10, 10, latency, 1)
        log.append(Trial(number, 0, placement, status, accuracy, reward, cost, 0.1))
    if ended:
        save_json({"search_images": 400}, folder / "summary.json")
    return load_run(folder)


def test_without_new_limits_the_rule_is_that_of_best(tmp_path):
    run = make_run(tmp_path / "run")
    picked = pick_placement(run, "latency < 9x")
    assert picked.placement == str(run.find("best")) == "11-11"
    assert (picked.kept, picked.evaluated, picked.drop) == (6, 6, 0.0)
    (edge,) = picked.edges
    assert edge == "latency_ms < 9x excludes nothing that was evaluated: latency_ms from 10 to 20"


def test_the_objective_of_the_run_decides_within_the_limits(tmp_path):
    plain = pick_placement(make_run(tmp_path / "a"), "latency < 1.8x")
    assert (plain.placement, plain.latency_x, plain.costs["sites"]) == ("01-01", 1.6, 2)
    frugal = make_run(tmp_path / "b", objective="accuracy - 0.1 latency")
    cheaper = pick_placement(frugal, "latency < 1.8x")
    assert cheaper.placement == "11-00"
    assert cheaper.reward == pytest.approx(0.78 - 0.1 * 0.3)
    assert cheaper.next == (f"ean-search retrain {tmp_path / 'b'} --placement 11-00",)


def test_the_cheapest_that_loses_little_is_picked(tmp_path):
    run = make_run(tmp_path / "run")
    assert pick_placement(run, max_drop=0).placement == "11-11"
    picked = pick_placement(run, max_drop=2.0)
    assert (picked.placement, round(picked.drop, 6), picked.edges) == ("11-00", 2.0, ())
    assert pick_placement(run, "sites > 2", max_drop=2.0).placement == "11-11"
    (edge,) = pick_placement(run, max_drop=30).edges
    assert edge == "no placement that costs less on latency_ms was evaluated"


def test_an_answer_next_to_the_limit_is_at_the_edge(tmp_path):
    run = make_run(tmp_path / "run")
    (edge,) = pick_placement(run, "latency < 17").edges
    assert edge.startswith("no placement between its latency_ms (16) and the limit (17)")
    assert pick_placement(run, "latency < 18").edges == ()  # 00-11 has 17 ms
    assert pick_placement(run, "sites <= 2").edges == ()  # no whole number lies between
    (edge,) = pick_placement(run, "sites < 4").edges
    assert edge == "no placement between its sites (2) and the limit (4) was evaluated"


def test_beyond_the_limits_of_the_search_only_named_placements_were_evaluated(tmp_path):
    run = make_run(tmp_path / "run", limits="latency < 1.4x")
    picked = pick_placement(run, "latency < 1.8x")
    assert picked.placement == "01-01"  # its reward is that of the objective, not the penalty
    assert picked.reward == 0.79
    assert any("own limits 'latency < 1.4x'" in edge for edge in picked.edges)
    assert pick_placement(run, "latency < 1.5x").edges == ()


def test_a_search_that_goes_on_is_said(tmp_path):
    picked = pick_placement(make_run(tmp_path / "run", ended=False), "latency < 1.8x")
    assert picked.standard_error is None
    assert "the search has not ended yet" in picked.edges


def test_the_standard_error_is_of_the_images_of_the_search(tmp_path):
    picked = pick_placement(make_run(tmp_path / "run"), "latency < 1.65x")
    assert picked.standard_error == pytest.approx(100 * (0.79 * 0.21 / 400) ** 0.5)


@pytest.mark.parametrize(
    ("limits", "max_drop", "message"),
    [
        ("latency < 0.5x", None, "no evaluated .* keeps 'latency_ms < 0.5x': they have .* 10 to 2"),
        ("", None, "expected limits such as"),
        ("", -1.0, "expected a largest drop of at least 0 points, got -1"),
        ("latency < 1.1x", 2.0, r"loses at most 2 points: the smallest loss is 30\.00"),
        ("latncy < 1", None, "did you mean 'latency'"),
        ("latency 1", None, "expected a limit like"),
    ],
)
def test_what_cannot_be_picked_is_one_line(tmp_path, limits, max_drop, message):
    with pytest.raises(UserError, match=message) as caught:
        pick_placement(make_run(tmp_path / "run"), limits, max_drop=max_drop)
    assert "\n" not in str(caught.value)


def test_a_run_without_its_first_placements_has_nothing_to_pick(tmp_path):
    run = make_run(tmp_path / "run", {"00-00": 0.5})
    with pytest.raises(UserError, match="has not evaluated 'all' yet"):
        pick_placement(run, "latency < 1.1x")


def test_the_shipped_run_answers(example):
    picked = pick_placement(example, "latency < 1.02x")
    assert picked.latency_x < 1.02
    frame = load_run(example).frame()
    affordable = frame[frame.latency_ms < 1.02 * frame.latency_ms[0]]
    assert picked.reward == affordable.reward.max()
