"""Somebody else's reinforcement learning on a table: PPO of Stable-Baselines3.

    pip install 'ean-search[rl]'
    python experiments/ppo.py mine.parquet --steps 2000

Says after how many distinct placements it, and this package's searchers, come close to the best.
An episode is one step and nothing is observed, so most of PPO is at rest here: its critic has one
value to learn, and what remains is a policy gradient with a clipped step.
"""

import argparse
import math

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from ean_search.bench.simulate import run_searcher
from ean_search.core.space import Placement
from ean_search.search.gym_registration import ID
from ean_search.search.tabular.placement_bench import PlacementBench

ENVIRONMENTS = 8
RIVALS = ("random", "reinforce", "surrogate")


class EvaluationRecorder(BaseCallback):
    """Notes every placement that is evaluated, once."""

    def __init__(self, table: PlacementBench) -> None:
        super().__init__()
        self.table, self.seen = table, {}

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            placement = self.table.problem.space.parse(info["placement"])
            self.seen.setdefault(placement, len(self.seen) + 1)
        return True


def train(table: PlacementBench, steps: int, seed: int = 0) -> dict[Placement, int]:
    """Train PPO, and return the placements it evaluated, in their order."""
    # Stable-Baselines3 begins a new episode in the step that ends one, as it should be here.
    environments = make_vec_env(ID, ENVIRONMENTS, seed, env_kwargs={"table": table.source})
    agent = PPO(
        "MlpPolicy",
        environments,
        n_steps=4,
        batch_size=4 * ENVIRONMENTS,
        learning_rate=1e-2,
        ent_coef=1e-3,
        policy_kwargs={"net_arch": []},  # a constant is observed: biases are all there is to learn
        seed=seed,
        device="cpu",
    )
    diary = EvaluationRecorder(table)
    agent.learn(steps, callback=diary)
    return diary.seen


def arrival(table: PlacementBench, placements: list[Placement]) -> float:
    """Count the placements until one is within 1 % of the range from the best; inf if none is."""
    low, high = table.ends
    near = (n for n, p in enumerate(placements, 1) if high - table.reward(p) <= 0.01 * (high - low))
    return next(near, math.inf)


def main() -> None:
    parser = argparse.ArgumentParser(description="PPO on a table, beside this package's searchers.")
    parser.add_argument("table", help="a table's name, or its file")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    rows = []
    for seed in range(args.seeds):
        table = PlacementBench(args.table, seed)
        ours = [run_searcher(name, table, 1, table.problem.space.size)[0] for name in RIVALS]
        arrived = arrival(table, list(train(table, args.steps, seed)))
        rows.append([arrived, *(row["until_1.0%"] for row in ours)])
    print(f"distinct evaluations to 1 % regret, median of {args.seeds} seeds")
    print(f"(PPO: within {args.steps} steps, repetitions included)")
    for name, value in zip(("ppo", *RIVALS), np.median(rows, axis=0), strict=True):
        print(f"  {name}: {value:g}")


if __name__ == "__main__":
    main()
