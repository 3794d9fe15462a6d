import json
import shutil

import numpy as np
import pytest

from ean_search.analysis.policy_replay import (
    PROPOSALS_PER_SHARE,
    proposal_shares,
    replay_policy,
)
from ean_search.analysis.run_folder import load_run
from ean_search.utils.errors import UserError


@pytest.fixture
def run(policy_run, tmp_path):
    """A copy of the controller's run, which a test may change."""
    shutil.copytree(policy_run.path, tmp_path / "run")
    return load_run(tmp_path / "run")


def test_a_policy_begins_even_and_ends_settled(run):
    frame = replay_policy(run)
    steps = run.frame().step.max()
    assert frame.step.max() == steps
    assert len(frame) == (steps + 1) * 16 * 2
    sums = frame.groupby(["step", "site"]).probability.sum()
    assert np.allclose(sums, 1)
    attached = frame[frame.choice == 1].set_index(["step", "site"]).probability
    assert (attached[0] == 0.5).all()
    assert attached[steps].max() > 0.9
    assert attached[steps].min() < 0.1


def test_a_run_that_was_stopped_shows_what_was_learnt_until_then(run, policy_run):
    lines = run.trials_file.read_text().splitlines(keepends=True)
    run.trials_file.write_text("".join(lines[:30]) + lines[30][:50])
    complete, part = replay_policy(policy_run), replay_policy(run)
    last = part.step.max()
    assert part[part.step < last].equals(complete[complete.step < last])
    run.trials_file.write_text("".join(lines[:3]))
    assert replay_policy(run).step.unique().tolist() == [0]


def test_trials_that_the_searcher_did_not_propose_are_an_error(run):
    lines = run.trials_file.read_text().splitlines()
    trial = json.loads(lines[20])
    trial |= {"placement": "1100" * 4, "cost": trial["cost"] | {"sites": 8}}
    run.trials_file.write_text("\n".join([*lines[:20], json.dumps(trial), *lines[21:], ""]))
    with pytest.raises(UserError, match="trial 20 is 110-0110-011001-100"):
        replay_policy(run)


def test_searchers_without_a_policy_have_none(run):
    run.experiment_file.write_text(run.experiment_file.read_text().replace("reinforce", "local"))
    assert replay_policy(load_run(run.path)) is None


def test_proposals_are_shares_of_the_latest_ones(run):
    trials = run.read_trials()
    shares = proposal_shares(trials, run.space)
    proposed = [trial for trial in trials if trial.step > 0]
    latest = np.mean([trial.placement.choices for trial in proposed[-PROPOSALS_PER_SHARE:]], axis=0)
    last = shares[(shares.step == shares.step.max()) & (shares.choice == 1)]
    assert last.probability.to_numpy() == pytest.approx(latest)
    assert shares.step.nunique() == len({trial.step for trial in proposed})
    assert proposal_shares([trial for trial in trials if trial.step == 0], run.space) is None
