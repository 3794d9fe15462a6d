"""Search a table with PPO of Stable-Baselines3, and compare it with this package's searchers.

    pip install 'ean-search[rl]'
    python experiments/ppo.py table.parquet --steps 2000

The script prints after how many distinct placements each of them comes close to the best one.
An episode is one step and the observation is constant, so most of PPO is unused here: its critic
has one value to learn, and the rest is a policy gradient with clipped steps.
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

ENVIRONMENTS = 8  # that PPO steps together
REGRET_GOAL = 0.01  # share of the range between worst and best reward
SEARCHERS = ("random", "reinforce", "surrogate")


class EvaluationRecorder(BaseCallback):
    """Records the placements that are evaluated, each of them once."""

    def __init__(self, table: PlacementBench) -> None:
        super().__init__()
        self.table = table
        self.placements: dict[Placement, None] = {}  # in the order of their first evaluation

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            self.placements.setdefault(self.table.problem.space.parse(info["placement"]))
        return True


def train(table: PlacementBench, steps: int, seed: int = 0) -> list[Placement]:
    """Train PPO for environment steps; return the distinct placements it evaluated, in order."""
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
    recorder = EvaluationRecorder(table)
    agent.learn(steps, callback=recorder)
    return list(recorder.placements)


def count_until_goal(table: PlacementBench, placements: list[Placement]) -> float:
    """Count the placements until one reaches the regret goal; infinity if none does."""
    low, high = table.reward_range
    limit = high - REGRET_GOAL * (high - low)
    reached = (n for n, p in enumerate(placements, 1) if table.reward(p) >= limit)
    return next(reached, math.inf)


def main() -> None:
    """Print the median evaluations until the goal, over seeds."""
    parser = argparse.ArgumentParser(description="PPO on a table, beside this package's searchers.")
    parser.add_argument("table", help="a table's name, or its file")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    rows = []
    for seed in range(args.seeds):
        table = PlacementBench(args.table, seed)
        others = [run_searcher(name, table, 1, table.problem.space.size)[0] for name in SEARCHERS]
        evaluations = count_until_goal(table, train(table, args.steps, seed))
        rows.append([evaluations, *(row["until_1.0%"] for row in others)])
    print(f"distinct evaluations to 1 % regret, median of {args.seeds} seeds")
    print(f"(PPO: within {args.steps} steps, repetitions included)")
    for name, value in zip(("ppo", *SEARCHERS), np.median(rows, axis=0), strict=True):
        print(f"  {name}: {value:g}")


if __name__ == "__main__":
    main()
