"""Compares the published controller with its specification, which is computed here with NumPy."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ean_search.core.space import Space
from ean_search.search.searchers import ean
from ean_search.search.searchers.ean import EAN, Step
from ean_search.testing.toy import ToyLandscape

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 4, 6, 3))
MIXED = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2, 2))
TOY = ToyLandscape(SPACE)
pytestmark = pytest.mark.usefixtures("one_thread")


def rng(*seed):
    return np.random.default_rng(seed)


def trials_of(placements, rewards):
    """Return trials of given rewards."""
    trials = [TOY.trial(placement, 0, 1, "done") for placement in placements]
    return [replace(t, reward=reward) for t, reward in zip(trials, rewards, strict=True)]


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def forward(network, inputs):
    """Compute an mlp in numpy."""
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    for layer in layers:
        inputs = inputs @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        inputs = inputs if layer is layers[-1] else np.maximum(inputs, 0)
    return inputs


def novelty(searcher, placements):
    bits = np.array([placement.choices for placement in placements], dtype=np.float32)
    rnd = searcher._controller.distillation
    return np.sum((forward(rnd._target, bits) - forward(rnd._student, bits)) ** 2)


def logit_gradient(placements, weights, policy):
    """Return the gradient of the mean of weights * log-probabilities: (sites, choices)."""
    chosen = np.eye(policy.shape[1])[[placement.choices for placement in placements]]
    return (np.asarray(weights)[..., None] * (chosen - policy)).mean(axis=0)


def last_gradient(searcher):
    """Return the gradient last taken, at the controller's logits before their temperature."""
    return searcher._controller.network[-1].bias.grad.numpy()


def test_the_networks_have_the_published_sizes():
    searcher = EAN(TOY.problem)
    searcher.ask(3, rng(0))
    assert count(searcher._controller.network) == 20 * 50 + 50 + 50 * 32 + 32
    assert count(searcher._controller.distillation._target) == 17 * 32 + 33 * 32 + 33 * 64
    assert count(searcher._controller.distillation._student) == 17 * 32 + 33 * 64
    assert not any(p.requires_grad for p in searcher._controller.distillation._target.parameters())


def test_the_first_update_follows_the_specification():
    searcher = EAN(TOY.problem)
    cohort = searcher.ask(3, rng(0))
    policy, before = (
        searcher.probabilities(),
        searcher._controller.network[-1].bias.detach().clone(),
    )
    rewards = np.array([0.52, 0.55, 0.57])
    total = 100 * rewards - 52 + novelty(searcher, cohort)
    searcher.tell(trials_of(cohort, rewards))
    assert searcher._baseline == pytest.approx(total.mean(), rel=1e-5)
    advantages = (total - total.mean())[:, None]
    gradient = -logit_gradient(cohort, advantages, policy).ravel() / 5.0
    assert last_gradient(searcher) == pytest.approx(gradient, abs=1e-5)
    moved = (searcher._controller.network[-1].bias - before).detach().numpy()
    large = np.abs(gradient) > 1e-3
    assert moved[large] == pytest.approx(-0.05 * np.sign(gradient[large]), rel=1e-3)


def test_the_baseline_decays_and_includes_the_novelty_bonus():
    searcher = EAN(TOY.problem)
    totals = []
    for step in range(4):
        cohort = searcher.ask(3, rng(0, step))
        totals.append(np.mean([2.0, 5.0, 8.0]) + novelty(searcher, cohort))
        searcher.tell(trials_of(cohort, [0.54, 0.57, 0.60]))
    expected = totals[0]
    for total in totals[1:]:
        expected = 0.95 * expected + 0.05 * total
    assert searcher._baseline == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("old", [0.2, 0.48, 0.9])
def test_replay_weighs_every_site_by_its_clipped_ratio(old):
    searcher = EAN(TOY.problem)
    cohort, policy = searcher.ask(3, rng(0)), searcher.probabilities()
    rewards = np.array([[1.0], [5.0], [9.0]])
    chosen = np.eye(2)[[placement.choices for placement in cohort]]
    tensor = torch.from_numpy
    step = Step(tensor(chosen).float(), tensor(rewards), torch.full((3, 16), old))
    picked = (chosen * policy).sum(axis=2)
    ratio = picked / old
    clipped = np.clip(ratio, 0.9, 1.1)
    sums = {np.sum(r * np.log(picked) * (rewards - 4)): r for r in (ratio, clipped)}
    ean.replay(searcher._controller, step, 4.0)
    weights = sums[min(sums)] * (rewards - 4)
    gradient = -0.1 * logit_gradient(cohort, weights, policy).ravel() / 5.0
    assert last_gradient(searcher) == pytest.approx(gradient, abs=1e-5)


def test_replay_begins_at_the_eleventh_step_and_forgets_after_thirty(monkeypatch):
    searcher, replayed = EAN(TOY.problem), []
    monkeypatch.setattr(ean, "replay", lambda controller, step, baseline: replayed.append(step))
    for step in range(45):
        cohort = searcher.ask(1, rng(0, step))
        searcher.tell(trials_of(cohort, [0.01 * step]))
        assert len(replayed) == max(0, step - 9)
        if replayed:
            assert step - 30 < round(float(replayed[-1].rewards + 52)) <= step
    assert len({float(step.rewards) for step in replayed}) > 10


def test_remembered_placements_are_those_proposed_with_their_own_rewards():
    searcher = EAN(TOY.problem)
    cohort, policy = searcher.ask(3, rng(0)), searcher.probabilities()
    searcher.tell(trials_of(cohort, [0.53, 0.54, 0.55]))
    step = searcher._steps[-1]
    assert [SPACE.placement(row) for row in step.chosen.argmax(dim=2)] == cohort
    assert step.rewards[:, 0].tolist() == pytest.approx([1, 2, 3], abs=1e-4)
    expected = [policy[np.arange(16), placement.choices] for placement in cohort]
    assert step.probabilities.numpy() == pytest.approx(np.array(expected))


def test_the_center_does_not_change_the_policy():
    def run(center):
        searcher = EAN(TOY.problem, center=center)
        for step in range(20):
            cohort = searcher.ask(3, rng(0, step))
            searcher.tell(trials_of(cohort, [TOY.accuracy(placement) for placement in cohort]))
        return searcher.probabilities()

    assert run(52.0) == pytest.approx(run(0.0), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("space", "steps"), [(SPACE, 250), (MIXED, 200)], ids=["two", "three"])
def test_it_finds_a_good_placement(space, steps):
    landscape, searcher = ToyLandscape(space), EAN(ToyLandscape(space).problem)
    assert searcher.entropy == pytest.approx(math.log(space.choices))
    for step in range(steps):
        cohort = searcher.ask(3, rng(0, step))
        searcher.tell([landscape.trial(placement, 0, step, "done") for placement in cohort])
    best = 0.5 + landscape.gains.max(axis=1).sum()
    assert landscape.accuracy(searcher.best_guess()) > 0.5 + 0.8 * (best - 0.5)
    assert searcher.probabilities().shape == (space.sites, space.choices)
    assert searcher.entropy < 0.7 * math.log(space.choices)


def test_trials_of_others_do_not_change_the_policy():
    searcher = EAN(TOY.problem)
    searcher.tell(trials_of([SPACE.named["none"]], [0.3]))
    searcher.ask(3, rng(0))
    before = searcher.probabilities()
    searcher.tell(trials_of([SPACE.named["none"], SPACE.named["all"]], [0.3, 0.9]))
    assert np.array_equal(searcher.probabilities(), before)


def test_failed_trials_count_as_the_worst_reward_seen():
    searcher = EAN(TOY.problem)
    cohort = searcher.ask(3, rng(0))
    searcher.tell([TOY.trial(placement, 0, 1, "failed") for placement in cohort])
    assert searcher._baseline is None
    searcher.tell(trials_of([SPACE.named["none"]], [0.53]))
    cohort = searcher.ask(3, rng(1))
    searcher.tell(trials_of(cohort, [-math.inf, 0.55, math.nan]))
    assert searcher._steps[-1].rewards[:, 0].tolist() == pytest.approx([1, 3, 1], abs=1e-4)
