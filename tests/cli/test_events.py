"""The events of `--json`, and the schema in docs/ that describes them."""

import json
from pathlib import Path

import jsonschema
import pytest

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "events.schema.json").read_text())


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def read_events(out, validator):
    """Read the lines of an output, each of which must be an event as the schema describes it."""
    events = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    for event in events:
        validator.validate(event)
        fields = SCHEMA["$defs"][event["event"]]["properties"]
        if event["event"] in ("trial", "search_status"):
            assert set(event) == set(fields) - {"standard_error"}  # it is not known here
    return events


@pytest.fixture
def run_words(tmp_path, small_run_flags):
    words = "run --space tiny --name a --json".split()
    return [*words, "--searcher", "reinforce", "--results", str(tmp_path), *small_run_flags]


@pytest.mark.slow
def test_a_run_prints_an_event_for_every_trial_with_its_own_fields(
    run_command, run_words, tmp_path, validator
):
    code, out, _ = run_command(*run_words, "--budget", "12", "--cohort", "4")
    assert code == 0
    events = read_events(out, validator)
    kinds = [event["event"] for event in events]
    assert (kinds[0], kinds[-1]) == ("run", "summary")
    log = (tmp_path / "tiny" / "a" / "trials.jsonl").read_text().splitlines()
    trials = [event for event in events if event["event"] == "trial"]
    assert trials == [{"event": "trial", **json.loads(line), "replayed": False} for line in log]
    for state in (event for event in events if event["event"] == "search_status"):
        best = trials[state["best_number"]]
        assert best["placement"] == state["best_placement"]
        assert best["accuracy"] == state["best_accuracy"]
        assert best["reward"] == state["best_reward"]
        assert best["reward"] == max(trial["reward"] for trial in trials[: state["done"]])
        assert state["entropy"] is not None  # reinforce has a policy


@pytest.mark.slow
def test_resuming_tells_the_same_trials_as_replayed_ones(run_command, finished_run, validator):
    code, out, _ = run_command("resume", str(finished_run), "--json")
    assert code == 0
    events = read_events(out, validator)
    searching = [event for event in events if event["event"] in ("trial", "search_status")]
    assert [e["number"] for e in searching if e["event"] == "trial"] == list(range(12))
    assert all(event["replayed"] for event in searching)


def test_a_retraining_prints_events_of_the_schema(run_command, finished_run, validator):
    words = "--placement none --epochs 1 --device cpu --json".split()
    code, out, _ = run_command("retrain", str(finished_run), *words)
    assert code == 0
    assert read_events(out, validator)[-1]["event"] == "retrained"


@pytest.mark.parametrize(
    "event",
    [
        {"event": "unknown"},
        {"event": "progress", "task": "search", "done": 1, "total": 2, "detail": ""},
        {"event": "trial", "number": 0, "placement": "0-0", "accuracy": 0.5},
    ],
    ids=lambda event: event["event"],
)
def test_the_schema_refuses_what_is_no_event(event, validator):
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(event)


@pytest.mark.slow
def test_a_budget_below_the_named_placements_is_said_in_one_line(
    run_command, run_words, validator, caplog
):
    code, out, _ = run_command(*run_words, "--budget", "2")
    assert code == 0
    warning = "budget 2 is less than the 3 named placements that every search begins with: "
    assert f"{warning}3 placements are evaluated" in caplog.messages
    states = [e for e in read_events(out, validator) if e["event"] == "search_status"]
    assert [(state["done"], state["total"]) for state in states] == [(1, 3), (2, 3), (3, 3)]
