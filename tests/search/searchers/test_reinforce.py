import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.searchers.reinforce import Reinforce, fit_ridge
from ean_search.testing.toy import ToyLandscape, play_search, price

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 4, 6, 3))
MIXED = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2, 2))
TOY = ToyLandscape(SPACE)


def search(searcher, reward, seed, evaluations=300, n=4):
    """Return the best reward after so many evaluations."""
    best = -math.inf
    for step in range(1, evaluations // n + 1):
        cohort = searcher.ask(n, np.random.default_rng((seed, step)))
        trials = [replace(TOY.trial(p, 0, step, "done"), reward=reward(p)) for p in cohort]
        best = max(best, *(trial.reward for trial in trials))
        searcher.tell(trials)
    return best


@pytest.mark.parametrize("seed", range(5))
def test_it_comes_near_the_optimum_of_sixteen_sites_with_interactions(seed):
    rng = np.random.default_rng(seed)
    alone, pairs = rng.normal(size=16), np.triu(0.3 * rng.normal(size=(16, 16)), 1)
    everything = (np.arange(2**16)[:, None] >> np.arange(16)) & 1
    values = everything @ alone + np.einsum("ni,ij,nj->n", everything, pairs, everything)

    def reward(placement):
        bits = np.array(placement.choices)
        return float(bits @ alone + bits @ pairs @ bits)

    found = search(Reinforce(TOY.problem), reward, seed)
    assert (found - values.mean()) / (values.max() - values.mean()) >= 0.9


def test_cohorts_of_one_do_as_well():
    gains = np.arange(16) - 5.0
    found = search(Reinforce(TOY.problem), lambda p: float(gains @ p.choices), 0, 150, n=1)
    assert found >= 0.9 * gains.clip(0).sum()


def test_the_unit_of_rewards_does_not_matter():
    def run(scale, shift):
        searcher = Reinforce(TOY.problem)
        search(searcher, lambda p: scale * TOY.accuracy(p) + shift, 0, evaluations=40)
        return searcher.probabilities()

    assert run(1.0, 0.0) == pytest.approx(run(100.0, -54.0))


def test_three_choices_a_site_are_told_apart():
    landscape, searcher = ToyLandscape(MIXED), Reinforce(ToyLandscape(MIXED).problem)
    for seed in range(5):
        play_search(searcher, landscape, seed=seed)
    assert searcher.probabilities().shape == (6, 3)
    assert searcher.best_guess().choices == tuple(landscape.gains.argmax(axis=1))


def test_the_policy_starts_even_and_never_collapses():
    searcher = Reinforce(TOY.problem)
    assert searcher.entropy == pytest.approx(math.log(2))
    search(searcher, lambda placement: float(placement.attached), 0, evaluations=1200)
    surest = searcher.probabilities().max(axis=1)
    assert surest.mean() > 0.9
    assert surest.max() <= 1 - 1 / 16  # one flip a placement, spread over the sites


def test_flat_rewards_do_not_move_the_policy():
    searcher = Reinforce(TOY.problem)
    search(searcher, lambda placement: 0.7, 0, evaluations=80)
    assert searcher.probabilities() == pytest.approx(0.5, abs=1e-6)


def test_trials_of_others_inform_the_baseline_alone():
    searcher, rng = Reinforce(TOY.problem), np.random.default_rng(0)
    searcher.tell([TOY.trial(SPACE.sample(rng), 0, 0, "done") for _ in range(50)])
    assert searcher.probabilities() == pytest.approx(0.5)
    placement = SPACE.sample(rng)
    searcher.tell([TOY.trial(placement, 0, 0, "done")])
    # With the landscape known, a site's advantage is its own part alone.
    gains = np.diff(TOY.gains, axis=1)[:, 0] * (np.array(placement.choices) - 0.5)
    found = searcher._advantages([placement])[0]
    assert np.corrcoef(found, gains)[0, 1] > 0.99


def test_failed_trials_count_as_worse_than_the_worst():
    searcher = Reinforce(TOY.problem)
    cohort = searcher.ask(4, np.random.default_rng(0))
    trials = [TOY.trial(placement, 0, 1, "done") for placement in cohort]
    searcher.tell([*trials[:3], TOY.trial(cohort[3], 0, 1, "failed")])
    scores = searcher._scores()
    assert scores[3] == pytest.approx(min(scores[:3]) - 1)


def test_nothing_is_learnt_where_nothing_was_measured():
    searcher = Reinforce(TOY.problem)
    cohort = searcher.ask(4, np.random.default_rng(0))
    searcher.tell([TOY.trial(placement, 0, 1, "failed") for placement in cohort])
    assert searcher.probabilities() == pytest.approx(0.5)


def test_limits_are_kept_where_hardly_any_draw_would():
    problem = Problem(SPACE, Objective.parse("accuracy", "sites <= 2"), price)
    searcher = Reinforce(problem)
    cohorts = [searcher.ask(4, np.random.default_rng(step)) for step in range(5)]
    assert all(placement.attached <= 2 for cohort in cohorts for placement in cohort)
    demanding = Problem(SPACE, Objective.parse("accuracy", "sites >= 10"), price)
    assert all(p.attached >= 10 for p in Reinforce(demanding).ask(8, np.random.default_rng(0)))


class Spy(Reinforce):
    """Takes advantages and ratios as given, and keeps the gradient of the logits."""

    def learn(self, placements, advantages, ratio):
        self._advantages = lambda placements: advantages
        policy = self.probabilities()
        picked = [policy[np.arange(len(policy)), p.choices] for p in placements]
        self._learn(placements, np.log(picked).sum(axis=1, keepdims=True) - math.log(ratio))
        return self.gradient

    def _logit_gradient(self, slope):
        self.gradient = super()._logit_gradient(slope)
        return self.gradient


@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("space", [SPACE, MIXED], ids=["binary", "mixed"])
def test_the_gradient_is_that_of_the_objective(space, ratio, rng):
    """Compare with torch's, through a ratio of whole placements and each site's advantage."""
    spy = Spy(ToyLandscape(space).problem, epochs=1, clip=1e9, entropy_weight=0.3)
    spy._logits[:] = rng.normal(size=spy._logits.shape)
    placements = [space.sample(rng) for _ in range(3)]
    advantages = rng.normal(size=(3, space.sites))
    logits = torch.tensor(spy._logits, requires_grad=True)
    policy = (1 - spy._uniform_share) * logits.softmax(dim=1) + spy._uniform_share / space.choices
    chosen = policy[torch.arange(space.sites), torch.tensor([p.choices for p in placements])]
    gain = ratio * (chosen.log() * torch.tensor(advantages)).mean(dim=0).sum()
    (gain - 0.3 * (policy * policy.log()).sum()).backward()
    assert spy.learn(placements, advantages, ratio) == pytest.approx(logits.grad.numpy())


@pytest.mark.parametrize(("ratio", "sign"), [(1.3, 1), (0.7, -1)])
def test_a_ratio_beyond_the_clip_teaches_nothing_more(ratio, sign, rng):
    spy = Spy(TOY.problem, epochs=1, clip=0.2, entropy_weight=0.0)
    placements = [SPACE.sample(rng) for _ in range(3)]
    assert not spy.learn(placements, sign * np.ones((3, 16)), ratio).any()
    assert spy.learn(placements, -sign * np.ones((3, 16)), ratio).any()


def test_a_ridge_recovers_a_linear_function_and_shrinks_what_is_unsure(rng):
    inputs = rng.normal(size=(200, 3))
    weights, constant = fit_ridge(inputs, inputs @ [1.0, -2.0, 0.0] + 0.5, 1e-6)
    assert weights == pytest.approx([1.0, -2.0, 0.0], abs=1e-6)
    assert constant == pytest.approx(0.5)
    few, _ = fit_ridge(inputs[:2], inputs[:2] @ [1.0, -2.0, 0.0], 1.0)
    assert np.linalg.norm(few) < np.linalg.norm([1.0, -2.0])
