"""The published controller against its specification, computed here by other means."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ean_search.core.space import Space
from ean_search.search.searchers.ean import EAN, Step
from ean_search.search.searchers.rnd import linear
from ean_search.testing.toy import Toy

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 4, 6, 3))
MIXED = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2, 2))
TOY = Toy(SPACE)
pytestmark = pytest.mark.usefixtures("one_thread")


def rng(*seed):
    return np.random.default_rng(seed)


def told(placements, rewards):
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


def surprise(searcher, placements):
    bits = np.array([placement.choices for placement in placements], dtype=np.float32)
    curiosity = searcher._curiosity
    return np.sum((forward(curiosity._oracle, bits) - forward(curiosity._student, bits)) ** 2)


def logit_gradient(placements, weights, policy):
    """Return the gradient of the mean of weights * log-probabilities: (sites, choices)."""
    chosen = np.eye(policy.shape[1])[[placement.choices for placement in placements]]
    return (np.asarray(weights)[..., None] * (chosen - policy)).mean(axis=0)


def last_gradient(searcher):
    """Return the gradient last taken, at the controller's logits before their temperature."""
    return searcher._controller[-1].bias.grad.numpy()


def test_the_networks_have_the_published_sizes():
    searcher = EAN(TOY.problem)
    searcher.ask(3, rng(0))
    assert count(searcher._controller) == 20 * 50 + 50 + 50 * 32 + 32
    assert count(searcher._curiosity._oracle) == 17 * 32 + 33 * 32 + 33 * 64
    assert count(searcher._curiosity._student) == 17 * 32 + 33 * 64
    assert not any(p.requires_grad for p in searcher._curiosity._oracle.parameters())


def test_layers_start_as_torch_starts_them_but_from_their_own_generator():
    before = torch.get_rng_state()
    ours = linear(40, 500, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        theirs = torch.nn.Linear(40, 500)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert one.std().item() == pytest.approx(other.std().item(), rel=0.1)
        assert one.abs().max().item() == pytest.approx(40**-0.5, rel=0.05)


def test_the_first_update_follows_the_specification():
    searcher = EAN(TOY.problem)
    cohort = searcher.ask(3, rng(0))
    policy, before = searcher.probabilities(), searcher._controller[-1].bias.detach().clone()
    rewards = np.array([0.52, 0.55, 0.57])
    total = 100 * rewards - 52 + surprise(searcher, cohort)
    searcher.tell(told(cohort, rewards))
    assert searcher._baseline == pytest.approx(total.mean(), rel=1e-5)
    advantages = (total - total.mean())[:, None]
    gradient = -logit_gradient(cohort, advantages, policy).ravel() / 5.0
    assert last_gradient(searcher) == pytest.approx(gradient, abs=1e-5)
    moved = (searcher._controller[-1].bias - before).detach().numpy()
    large = np.abs(gradient) > 1e-3
    assert moved[large] == pytest.approx(-0.05 * np.sign(gradient[large]), rel=1e-3)


def test_the_baseline_decays_and_keeps_curiosity_in():
    searcher = EAN(TOY.problem)
    totals = []
    for step in range(4):
        cohort = searcher.ask(3, rng(0, step))
        totals.append(np.mean([2.0, 5.0, 8.0]) + surprise(searcher, cohort))
        searcher.tell(told(cohort, [0.54, 0.57, 0.60]))
    expected = totals[0]
    for total in totals[1:]:
        expected = 0.95 * expected + 0.05 * total
    assert searcher._baseline == pytest.approx(expected, rel=1e-4)


def test_the_student_gets_used_to_a_placement():
    searcher = EAN(TOY.problem)
    cohort = searcher.ask(3, rng(0))
    first = surprise(searcher, cohort)
    chosen = torch.nn.functional.one_hot(torch.tensor([p.choices for p in cohort])).float()
    assert searcher._curiosity.surprise(chosen) == pytest.approx(first, rel=1e-4)
    for _ in range(50):
        searcher._curiosity.learn(chosen)
    assert surprise(searcher, cohort) < first / 10


@pytest.mark.parametrize("old", [0.2, 0.48, 0.9])
def test_replay_weighs_every_site_by_its_clipped_ratio(old):
    searcher = EAN(TOY.problem)
    cohort, policy = searcher.ask(3, rng(0)), searcher.probabilities()
    searcher._baseline = 4.0
    rewards = np.array([[1.0], [5.0], [9.0]])
    chosen = np.eye(2)[[placement.choices for placement in cohort]]
    tensor = torch.from_numpy
    step = Step(tensor(chosen).float(), tensor(rewards), torch.full((3, 16), old))
    picked = (chosen * policy).sum(axis=2)
    ratio = picked / old
    clipped = np.clip(ratio, 0.9, 1.1)
    sums = {np.sum(r * np.log(picked) * (rewards - 4)): r for r in (ratio, clipped)}
    searcher._replay(step)
    weights = sums[min(sums)] * (rewards - 4)
    gradient = -0.1 * logit_gradient(cohort, weights, policy).ravel() / 5.0
    assert last_gradient(searcher) == pytest.approx(gradient, abs=1e-5)


def test_replay_begins_at_the_eleventh_step_and_forgets_after_thirty():
    searcher, replayed = EAN(TOY.problem), []
    searcher._replay = replayed.append
    for step in range(45):
        cohort = searcher.ask(1, rng(0, step))
        searcher.tell(told(cohort, [0.01 * step]))
        assert len(replayed) == max(0, step - 9)
        if replayed:
            assert step - 30 < round(float(replayed[-1].rewards + 52)) <= step
    assert len({float(step.rewards) for step in replayed}) > 10


def test_remembered_placements_are_those_proposed_with_their_own_rewards():
    searcher = EAN(TOY.problem)
    cohort, policy = searcher.ask(3, rng(0)), searcher.probabilities()
    searcher.tell(told(cohort, [0.53, 0.54, 0.55]))
    step = searcher._steps[-1]
    assert [SPACE.placement(row) for row in step.chosen.argmax(dim=2)] == cohort
    assert step.rewards[:, 0].tolist() == pytest.approx([1, 2, 3], abs=1e-4)
    expected = [policy[np.arange(16), placement.choices] for placement in cohort]
    assert step.probabilities.numpy() == pytest.approx(np.array(expected))


def test_the_centre_cancels():
    def run(center):
        searcher = EAN(TOY.problem, center=center)
        for step in range(20):
            cohort = searcher.ask(3, rng(0, step))
            searcher.tell(told(cohort, [TOY.accuracy(placement) for placement in cohort]))
        return searcher.probabilities()

    assert run(52.0) == pytest.approx(run(0.0), abs=1e-5)


@pytest.mark.parametrize(("space", "steps"), [(SPACE, 250), (MIXED, 200)], ids=["two", "three"])
def test_it_learns_what_pays(space, steps):
    toy, searcher = Toy(space), EAN(Toy(space).problem)
    assert searcher.entropy == pytest.approx(math.log(space.choices))
    for step in range(steps):
        cohort = searcher.ask(3, rng(0, step))
        searcher.tell([toy.trial(placement, 0, step, "done") for placement in cohort])
    best = 0.5 + toy.gains.max(axis=1).sum()
    assert toy.accuracy(searcher.best_guess()) > 0.5 + 0.8 * (best - 0.5)
    assert searcher.probabilities().shape == (space.sites, space.choices)
    assert searcher.entropy < 0.7 * math.log(space.choices)


def test_trials_of_others_leave_the_policy_alone():
    searcher = EAN(TOY.problem)
    searcher.tell(told([SPACE.named["none"]], [0.3]))
    searcher.ask(3, rng(0))
    before = searcher.probabilities()
    searcher.tell(told([SPACE.named["none"], SPACE.named["all"]], [0.3, 0.9]))
    assert np.array_equal(searcher.probabilities(), before)


def test_failed_trials_count_as_the_worst_reward_seen():
    searcher = EAN(TOY.problem)
    cohort = searcher.ask(3, rng(0))
    searcher.tell([TOY.trial(placement, 0, 1, "failed") for placement in cohort])
    assert searcher._baseline is None
    searcher.tell(told([SPACE.named["none"]], [0.53]))
    cohort = searcher.ask(3, rng(1))
    searcher.tell(told(cohort, [-math.inf, 0.55, math.nan]))
    assert searcher._steps[-1].rewards[:, 0].tolist() == pytest.approx([1, 3, 1], abs=1e-4)
