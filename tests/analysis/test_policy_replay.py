import json
import shutil

import numpy as np
import pytest

from ean_search.analysis.policy_replay import WINDOW, proposal_shares, replay
from ean_search.analysis.run_folder import load_run
from ean_search.bench.report_speed import make_run
from ean_search.utils.errors import UserError
from ean_search.utils.progress import silent


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A controller that searched a landscape."""
    return make_run(tmp_path_factory.mktemp("policy") / "run", "reinforce", 16, 300, silent)


@pytest.fixture
def run(learnt, tmp_path):
    shutil.copytree(learnt.path, tmp_path / "run")
    return load_run(tmp_path / "run")


def test_a_policy_begins_even_and_ends_settled(run):
    frame = replay(run)
    steps = run.frame().step.max()
    assert frame.step.max() == steps
    assert len(frame) == (steps + 1) * 16 * 2
    sums = frame.groupby(["step", "site"]).probability.sum()
    assert np.allclose(sums, 1)
    attached = frame[frame.choice == 1].set_index(["step", "site"]).probability
    assert (attached[0] == 0.5).all()
    assert attached[steps].max() > 0.9
    assert attached[steps].min() < 0.1


def test_a_run_that_was_stopped_shows_what_was_learnt_until_then(run, learnt):
    lines = run.trials_file.read_text().splitlines(keepends=True)
    run.trials_file.write_text("".join(lines[:30]) + lines[30][:50])
    whole, part = replay(learnt), replay(run)
    last = part.step.max()
    assert part[part.step < last].equals(whole[whole.step < last])
    run.trials_file.write_text("".join(lines[:3]))
    assert replay(run).step.unique().tolist() == [0]


def test_other_trials_than_the_searchers_are_not_passed_off_as_its_own(run):
    lines = run.trials_file.read_text().splitlines()
    trial = json.loads(lines[20]) | {"placement": "1" * 16}
    run.trials_file.write_text("\n".join([*lines[:20], json.dumps(trial), *lines[21:], ""]))
    with pytest.raises(UserError, match="trial 20 is 111-1111-111111-111"):
        replay(run)


def test_searchers_without_a_policy_have_none(run):
    run.experiment_file.write_text(run.experiment_file.read_text().replace("reinforce", "local"))
    assert replay(load_run(run.path)) is None


def test_proposals_are_shares_of_the_latest_ones(run):
    trials = run.read_trials()
    shares = proposal_shares(trials, run.space)
    proposed = [trial for trial in trials if trial.step > 0]
    latest = np.mean([trial.placement.choices for trial in proposed[-WINDOW:]], axis=0)
    last = shares[(shares.step == shares.step.max()) & (shares.choice == 1)]
    assert last.probability.to_numpy() == pytest.approx(latest)
    assert shares.step.nunique() == len({trial.step for trial in proposed})
    assert proposal_shares([trial for trial in trials if trial.step == 0], run.space) is None
