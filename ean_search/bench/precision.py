"""What precision and layout of evaluation give in time, and what they change in the answers."""

import statistics
from copy import deepcopy
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ean_search.core.space import Placement, Space
from ean_search.costs.latency import time_in_turn
from ean_search.data.splits import Split
from ean_search.evaluation.precision import Precision
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import place

WAYS = {
    "float32": Precision(),
    "float32, channels last": Precision(channels_last=True),
    "bfloat16": Precision(precision="bfloat16"),
    "bfloat16, channels last": Precision(precision="bfloat16", channels_last=True),
    "float16, channels last": Precision(precision="float16", channels_last=True),
}
COHORT = 16


def measure_precision(
    network: nn.Module, space: Space, split: Split, *, rounds: int = 3, device: str = "cpu"
) -> pd.DataFrame:
    """Evaluate a cohort in every way in turn, and compare with the first."""
    cohort = [space.sample(np.random.default_rng(seed)) for seed in range(COHORT)]
    evaluators = {
        name: SharedWeightsEvaluator(
            deepcopy(network), split, device=device, at_once=64, precision=way
        )
        for name, way in WAYS.items()
        if _supported(way, device)
    }
    actions = {name: partial(_accuracies, one, cohort) for name, one in evaluators.items()}
    times = {
        name: statistics.median(t) for name, t in time_in_turn(actions, rounds, device).items()
    }
    accuracies = {name: act() for name, act in actions.items()}
    logits = {name: _logits(one, cohort) for name, one in evaluators.items()}
    exact = logits["float32"]
    rows = [
        {
            "precision": name,
            "speedup": times["float32"] / times[name],
            "logits_off": float((logits[name] - exact).abs().max() / exact.std()),
            "answers_changed": float((logits[name].argmax(2) != exact.argmax(2)).float().mean()),
            "accuracy_off": float(abs(accuracies[name] - accuracies["float32"]).max()),
        }
        for name in evaluators
    ]
    return pd.DataFrame(rows).assign(cohort=COHORT, images=len(split))


def _supported(way: Precision, device: str) -> bool:
    return way.precision != "float16" or device.startswith("cuda")  # emulated on most CPUs


def _accuracies(evaluator: SharedWeightsEvaluator, cohort: list[Placement]) -> np.ndarray:
    return np.array([measured.accuracy for measured in evaluator.evaluate(cohort)], dtype=float)


def _logits(evaluator: SharedWeightsEvaluator, cohort: list[Placement]) -> Tensor:
    """Return (placements, images, classes), on some images."""
    images, _ = next(iter(evaluator.split.batches(256, device=evaluator.device)))
    with torch.inference_mode(), evaluator.precision.autocast(evaluator.device):
        logits = [place(evaluator.network, placement)(images).float() for placement in cohort]
    return torch.stack(logits)
