"""The published controller of EAN: REINFORCE with curiosity and a replay of old steps.

Follows the authors' search step by step so that anyone can compare against it, weaknesses
included (one curiosity scalar for all placements of a step, replayed rewards without curiosity
against a baseline with it); `reinforce` is the controller as it should have been. What differs:
replayed placements are used as they were, not scrambled; sites may have more than two choices;
failed trials count as the worst reward seen. No rule for the final placement was published:
`best_guess` is the policy's mode.

EAN: Efficient Attention Network, https://arxiv.org/abs/2011.14058
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.categorical_policy import draw, mean_entropy, most_likely, one_hot
from ean_search.search.searchers.rnd import Curiosity, mlp

INPUTS, HIDDEN, TEMPERATURE = 20, 50, 5.0  # of the controller, whose input is all zeros
REMEMBERED, REPLAY_FROM, REPLAY_WEIGHT, REPLAY_CLIP = 30, 10, 0.1, 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """A cohort as it was learnt from."""

    chosen: Tensor  # (placements, sites, choices), one-hot
    rewards: Tensor  # (placements, 1), without curiosity
    probabilities: Tensor  # (placements, sites), of what was chosen, when it was


class EAN(Searcher):
    """Learn a placement policy as published."""

    cohort = 3

    def __init__(
        self,
        problem: Problem,
        *,
        learning_rate: PositiveFloat = 5e-2,
        curiosity: NonNegativeFloat = 1.0,
        baseline_decay: NonNegativeFloat = 0.95,
        center: float = 52.0,
    ) -> None:
        # 100 * (accuracy - 0.02 sites) - 52 is the published R = top-1 % + 2 * (share of
        # unattached sites) - 54. The centre cancels in every advantage.
        self._space, self._center = problem.space, center
        self._learning_rate, self._weight, self._decay = learning_rate, curiosity, baseline_decay
        self._controller: torch.nn.Sequential | None = None  # built from the first generator given
        self._asked: dict[Placement, np.ndarray] = {}  # and the probabilities each was drawn from
        self._steps: deque[Step] = deque(maxlen=REMEMBERED)
        self._learnt = 0
        self._baseline: float | None = None
        self._worst = math.inf  # finite reward told

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Draw n placements from the policy."""
        if self._controller is None:
            self._build(rng)
        probabilities = self.probabilities()
        cohort = [draw(self._space, probabilities, rng) for _ in range(n)]
        self._asked.update(dict.fromkeys(cohort, probabilities))
        return cohort

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from the placements asked for; from others only how bad a reward can be."""
        finite = [trial.reward for trial in trials if math.isfinite(trial.reward)]
        self._worst = min([self._worst, *finite])
        mine = [trial for trial in trials if trial.placement in self._asked]
        if mine and math.isfinite(self._worst):
            self._learn(self._step(mine))
        for trial in mine:
            self._asked.pop(trial.placement, None)

    def probabilities(self) -> np.ndarray:
        """Give the policy as (sites, choices)."""
        if self._controller is None:
            return np.full((self._space.sites, self._space.choices), 1 / self._space.choices)
        return self._log_policy().detach().double().exp().numpy()

    @property
    def entropy(self) -> float:
        """Average the sites' entropies, in nats."""
        return mean_entropy(self.probabilities())

    def best_guess(self) -> Placement:
        """Take every site's likeliest choice."""
        return most_likely(self._space, self.probabilities())

    def _build(self, rng: np.random.Generator) -> None:
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        sites, choices = self._space.sites, self._space.choices
        self._controller = mlp((INPUTS, HIDDEN, sites * choices), generator)
        self._adam = torch.optim.Adam(self._controller.parameters(), self._learning_rate)
        self._curiosity = Curiosity(sites, choices, self._learning_rate, generator)
        self._replay_rng = np.random.default_rng(rng.integers(2**63))

    def _step(self, trials: Sequence[Trial]) -> Step:
        placements = [trial.placement for trial in trials]
        chosen = torch.tensor(one_hot(self._space, placements), dtype=torch.float32)
        policies = torch.tensor(np.stack([self._asked[p] for p in placements]))
        told = [t.reward if math.isfinite(t.reward) else self._worst for t in trials]
        # In double precision: Adam would make whole steps of what rounding leaves of no advantage.
        rewards = 100 * torch.tensor(told, dtype=torch.float64)[:, None] - self._center
        return Step(chosen, rewards, (policies * chosen).sum(dim=2).float())

    def _learn(self, step: Step) -> None:
        """Take a policy gradient step on a cohort, then one on a cohort remembered."""
        self._steps.append(step)
        rewards = step.rewards + self._weight * self._curiosity.surprise(step.chosen)
        self._curiosity.learn(step.chosen)
        mean = float(rewards.mean())
        before = mean if self._baseline is None else self._baseline
        self._baseline = self._decay * before + (1 - self._decay) * mean
        self._descend(-(self._log_chosen(step) * (rewards - self._baseline)).mean(dim=0).sum())
        if self._learnt >= REPLAY_FROM:
            self._replay(self._steps[self._replay_rng.integers(len(self._steps))])
        self._learnt += 1

    def _replay(self, step: Step) -> None:
        log_chosen = self._log_chosen(step)
        ratio = log_chosen.detach().exp() / step.probabilities
        clipped = ratio.clamp(1 - REPLAY_CLIP, 1 + REPLAY_CLIP)
        weighted = log_chosen * (step.rewards - self._baseline)
        gain = torch.minimum((ratio * weighted).sum(), (clipped * weighted).sum())
        self._descend(-REPLAY_WEIGHT * gain / len(weighted))

    def _log_policy(self) -> Tensor:
        logits = self._controller(torch.zeros(1, INPUTS)) / TEMPERATURE
        return logits.view(self._space.sites, self._space.choices).log_softmax(dim=1)

    def _log_chosen(self, step: Step) -> Tensor:
        return (self._log_policy() * step.chosen).sum(dim=2)  # (placements, sites)

    def _descend(self, loss: Tensor) -> None:
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
