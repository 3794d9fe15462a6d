"""`run` and `resume`."""

import json
import re

import pytest

from ean_search.analysis.run_folder import load_run
from ean_search.utils.errors import UserError


@pytest.mark.slow
def test_any_backbone_will_do_without_a_space(run_command, tmp_path, small_run_flags):
    words = "run --backbone resnet10t --attention eca --image-size 32 --name a".split()
    code, _, _ = run_command(*words, "--results", str(tmp_path), *small_run_flags)
    assert code == 0
    assert load_run(tmp_path / "resnet10t_eca" / "a").space.stages == (1, 1, 1, 1)


@pytest.mark.slow
def test_a_run_ends_with_its_front_and_the_next_commands(run_command, tmp_path, small_run_flags):
    words = [
        "run",
        "--space",
        "tiny",
        "--results",
        str(tmp_path),
        *small_run_flags,
        "--attention",
        "eca",
    ]
    code, out, err = run_command(*words, "--searcher", "random", "--seed", "3")
    assert code == 0
    assert "front of accuracy against latency_ms (6 placements evaluated)" in out
    folder = re.search(r"run folder: (.*)", out).group(1)
    assert "cannot be told from chance" in out  # after one short epoch
    again = f"ean-search run --experiment {folder}/experiment.yaml --results {tmp_path} --epochs 4"
    assert again in out
    assert "ean-search retrain" not in out
    assert "supernet: " in err
    run = load_run(folder)
    assert run.space.attention[0].name == "eca"
    assert run.fields["seed"] == 3


@pytest.mark.slow
def test_resuming_a_finished_run_says_again_what_it_found(run_command, finished_run):
    before = (finished_run / "trials.jsonl").read_bytes()
    code, out, _ = run_command("resume", str(finished_run))
    assert code == 0
    assert "front of accuracy" in out
    assert (finished_run / "trials.jsonl").read_bytes() == before


@pytest.mark.slow
def test_scripts_may_follow_a_run_by_its_events(run_command, finished_run):
    code, out, _ = run_command("resume", str(finished_run), "--json")
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert events[0] == {"event": "run", "folder": str(finished_run)}
    searching = [event for event in events if event.get("task") == "search"]
    assert {event["event"] for event in searching} == {"search_status"}
    assert searching[-1]["done"] == 6
    assert searching[-1]["hypervolume"] > 0
    assert events[-1]["event"] == "summary"
    assert events[-1]["trials"] == 6


def test_what_cannot_work_is_told_before_training(
    run_command, tmp_path, monkeypatch, small_run_flags
):
    monkeypatch.setattr("ean_search.runs.pipeline.make_shared_evaluator", None)
    monkeypatch.chdir(tmp_path)
    for words in ("--searcher x", "--budget-cost sites<2x", "--set search.options.x=1"):
        code, _, err = run_command("run", "--space", "tiny", *small_run_flags, *words.split())
        assert (code, "Traceback" in err) == (2, False)


def test_a_broken_line_in_the_trials_is_named(run_command, finished_run):
    path = finished_run / "trials.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"{}\n" + whole)
    code, _, err = run_command("resume", str(finished_run))
    path.write_bytes(whole)
    assert code == 2
    assert "trials.jsonl, line 1" in err


def test_a_stop_from_the_keyboard_says_how_to_go_on(
    run_command, tmp_path, monkeypatch, small_run_flags
):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ean_search.runs.pipeline.make_shared_evaluator", interrupt)
    words = ["run", "--space", "tiny", "--results", str(tmp_path), "--name", "b", *small_run_flags]
    code, _, err = run_command(*words)
    assert code == 130
    assert f"ean-search resume {tmp_path / 'tiny' / 'b'}" in err


@pytest.mark.slow
def test_cohorts_may_race(run_command, tmp_path, small_run_flags):
    words = ["run", "--space", "tiny", "--results", str(tmp_path), "--name", "r", "--racing"]
    code, _, _ = run_command(*words, *small_run_flags)
    assert code == 0
    assert "racing: true" in (tmp_path / "tiny" / "r" / "experiment.yaml").read_text()


ANNEALING = """
class Annealing:
    def __init__(self, problem, start=1.0):
        assert start == 0.125
        self.space = problem.space

    def ask(self, n, rng):
        return [self.space.sample(rng) for _ in range(n)]

    def tell(self, trials):
        pass


class WithoutGenerator(Annealing):
    def ask(self, n):
        return []
"""


@pytest.mark.slow
def test_a_searcher_of_ones_own_may_have_options_beside_its_name(
    run_command, tmp_path, monkeypatch, small_run_flags
):
    (tmp_path / "own_searchers.py").write_text(ANNEALING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["run", "--space", "tiny", "--name", "a", *small_run_flags]
    code, _, _ = run_command(*words, "--searcher", "own_searchers:Annealing start=0.125")
    assert code == 0
    search = load_run(tmp_path / "results" / "tiny" / "a").fields["search"]
    assert search["searcher"] == "own_searchers:Annealing"
    assert search["options"] == {"start": 0.125}
    other = "own_searchers:WithoutGenerator start=0.125"
    code, out, err = run_command(*words, "--searcher", other, "--name", "b")
    assert (code, out) == (2, "")
    assert "ask(n): too many positional arguments" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "results" / "tiny" / "b").exists()


@pytest.mark.slow
def test_a_finished_run_goes_on_with_a_larger_budget(run_command, tmp_path, small_run_flags):
    words = ["run", "--space", "tiny", "--results", tmp_path, "--name", "g", *small_run_flags]
    assert run_command(*words)[0] == 0
    folder = tmp_path / "tiny" / "g"
    code, out, _ = run_command("resume", folder, "--budget", 9)
    assert code == 0
    assert "(9 placements evaluated)" in out
    assert load_run(folder).fields["search"]["budget"] == 9
    code, _, err = run_command("resume", folder, "--budget", 8)
    assert code == 2
    assert "has 9 trials already: give a larger --budget" in err


@pytest.mark.slow
def test_a_run_that_failed_without_a_trial_says_that_its_name_is_free(
    run_command, tmp_path, monkeypatch, small_run_flags
):
    def fail(*_, **__):
        raise UserError("the disk burns")

    words = ["run", "--space", "tiny", "--results", tmp_path, "--name", "f", *small_run_flags]
    with monkeypatch.context() as patch:
        patch.setattr("ean_search.runs.pipeline.run_search", fail)
        code, _, err = run_command(*words)
    assert code == 2
    assert "has no trial yet: `run` with --name f starts it anew" in err
    assert err.splitlines()[-1] == "ean-search: the disk burns"
    assert run_command(*words, "--searcher", "random")[0] == 0
    assert load_run(tmp_path / "tiny" / "f").fields["search"]["searcher"] == "random"


@pytest.mark.parametrize(
    "words", ["--searcher no", "--budget-cost sites<2x", "--data-root /nowhere --data cifar10"]
)
def test_what_cannot_start_leaves_no_folder(run_command, tmp_path, small_run_flags, words):
    given = [word for word in small_run_flags if "data" not in word and word != "--set"]
    command = ["run", "--space", "tiny", "--results", tmp_path / "results", *given]
    code, _, err = run_command(*command, *words.split())
    assert (code, "Traceback" in err) == (2, False)
    assert not (tmp_path / "results").exists()
