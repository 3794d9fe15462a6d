"""The published controller of EAN: REINFORCE with a novelty bonus and a replay of earlier steps.

It follows the authors' search step by step, so that others can compare with it. Its weaknesses are
kept: there is one novelty value for all placements of a step, and replayed rewards have no novelty
bonus although the baseline includes it. `reinforce` is the improved controller.

It differs from the authors' code in these points: replayed placements are used as they were, not
scrambled; sites may have more than two choices; failed trials count as the worst reward seen. No
rule for the final placement was published; `best_guess` is the mode of the policy.

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
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.categorical_policy import (
    mean_entropy,
    most_likely_placement,
    one_hot,
    sample_placement,
)
from ean_search.search.searchers.rnd import RandomNetworkDistillation, make_mlp

CONTROLLER_INPUTS, CONTROLLER_HIDDEN = 20, 50  # the inputs are all zeros
TEMPERATURE = 5.0
REPLAY_MEMORY_STEPS = 30
REPLAY_START_STEPS = 10  # steps before the first replay
REPLAY_WEIGHT, REPLAY_CLIP = 0.1, 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """A cohort that the controller learnt from."""

    chosen: Tensor  # (placements, sites, choices), one-hot
    rewards: Tensor  # (placements, 1), without the novelty bonus
    probabilities: Tensor  # (placements, sites), of the choices, when they were proposed


class Controller:
    """The networks of the controller, and the generator that selects steps to replay.

    Args:
        space: The search space.
        learning_rate: Adam's learning rate, for the controller and for the novelty's student.
        rng: Draws the initial weights, and the seed of the replay generator.
    """

    def __init__(self, space: Space, learning_rate: float, rng: np.random.Generator) -> None:
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        sites, choices = space.sites, space.choices
        self._shape = (sites, choices)
        self.network = make_mlp((CONTROLLER_INPUTS, CONTROLLER_HIDDEN, sites * choices), generator)
        self._adam = torch.optim.Adam(self.network.parameters(), learning_rate)
        self.distillation = RandomNetworkDistillation(sites, choices, learning_rate, generator)
        self.replay_rng = np.random.default_rng(rng.integers(2**63))

    def log_policy(self) -> Tensor:
        """Return the logarithms of the policy's probabilities, (sites, choices)."""
        logits: Tensor = self.network(torch.zeros(1, CONTROLLER_INPUTS)) / TEMPERATURE
        return logits.view(self._shape).log_softmax(dim=1)

    def log_chosen(self, step: Step) -> Tensor:
        """Return the log-probabilities of a step's choices, (placements, sites)."""
        return (self.log_policy() * step.chosen).sum(dim=2)

    def descend(self, loss: Tensor) -> None:
        """Take one step of Adam on a loss."""
        self._adam.zero_grad()
        torch.autograd.backward(loss)
        self._adam.step()


class EAN(Searcher):
    """Learn a placement policy with the published controller.

    Args:
        problem: The space, the objective and the costs.
        learning_rate: Adam's learning rate.
        curiosity: The weight of the novelty bonus.
        baseline_decay: The decay rate of the running mean of rewards.
        center: Is subtracted from 100 times the reward; it cancels in every advantage.
    """

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
        # unattached sites) - 54.
        self._space, self._center = problem.space, center
        self._learning_rate = learning_rate
        self._novelty_weight, self._baseline_decay = curiosity, baseline_decay
        self._controller: Controller | None = None  # made with the first generator given
        self._policy_when_asked: dict[Placement, np.ndarray] = {}
        self._steps: deque[Step] = deque(maxlen=REPLAY_MEMORY_STEPS)
        self._num_steps = 0
        self._baseline: float | None = None
        self._worst = math.inf  # the lowest finite reward told

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Draw n placements from the policy."""
        if self._controller is None:
            self._controller = Controller(self._space, self._learning_rate, rng)
        policy = self.probabilities()
        cohort = [sample_placement(self._space, policy, rng) for _ in range(n)]
        self._policy_when_asked.update(dict.fromkeys(cohort, policy))
        return cohort

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from its own proposals; from other trials only the worst reward is used."""
        finite = [trial.reward for trial in trials if math.isfinite(trial.reward)]
        self._worst = min([self._worst, *finite])
        proposed = [trial for trial in trials if trial.placement in self._policy_when_asked]
        if proposed and math.isfinite(self._worst):
            self._learn(self._make_step(proposed))
        for trial in proposed:
            self._policy_when_asked.pop(trial.placement, None)

    def probabilities(self) -> np.ndarray:
        """Return the policy, (sites, choices)."""
        if self._controller is None:
            return np.full((self._space.sites, self._space.choices), 1 / self._space.choices)
        return self._controller.log_policy().detach().double().exp().numpy()

    @property
    def entropy(self) -> float:
        """Return the mean entropy of the sites, in nats."""
        return mean_entropy(self.probabilities())

    def best_guess(self) -> Placement:
        """Return the placement with the most likely choice of each site."""
        return most_likely_placement(self._space, self.probabilities())

    def _make_step(self, trials: Sequence[Trial]) -> Step:
        placements = [trial.placement for trial in trials]
        chosen = torch.tensor(one_hot(self._space, placements), dtype=torch.float32)
        policies = torch.tensor(np.stack([self._policy_when_asked[p] for p in placements]))
        finite = [t.reward if math.isfinite(t.reward) else self._worst for t in trials]
        # In double precision: where there is no advantage, Adam would turn rounding errors of
        # single precision into whole steps.
        rewards = 100 * torch.tensor(finite, dtype=torch.float64)[:, None] - self._center
        return Step(chosen, rewards, (policies * chosen).sum(dim=2).float())

    def _learn(self, step: Step) -> None:
        """Take a policy-gradient step on a cohort, then one on a cohort from the memory."""
        controller = self._controller
        assert controller is not None  # only its own proposals are learnt from
        self._steps.append(step)
        rewards = step.rewards + self._novelty_weight * controller.distillation.novelty(step.chosen)
        controller.distillation.train_student(step.chosen)
        mean = float(rewards.mean())
        previous = mean if self._baseline is None else self._baseline
        self._baseline = self._baseline_decay * previous + (1 - self._baseline_decay) * mean
        advantages = rewards - self._baseline
        controller.descend(-(controller.log_chosen(step) * advantages).mean(dim=0).sum())
        if self._num_steps >= REPLAY_START_STEPS:
            remembered = self._steps[controller.replay_rng.integers(len(self._steps))]
            replay(controller, remembered, self._baseline)
        self._num_steps += 1


def replay(controller: Controller, step: Step, baseline: float) -> None:
    """Take a policy-gradient step on an earlier cohort, with clipped importance ratios."""
    log_chosen = controller.log_chosen(step)
    ratio = log_chosen.detach().exp() / step.probabilities
    clipped = ratio.clamp(1 - REPLAY_CLIP, 1 + REPLAY_CLIP)
    weighted = log_chosen * (step.rewards - baseline)
    gain = torch.minimum((ratio * weighted).sum(), (clipped * weighted).sum())
    controller.descend(-REPLAY_WEIGHT * gain / len(weighted))
