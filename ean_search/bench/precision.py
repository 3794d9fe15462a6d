"""How much faster lower precisions and another memory layout are, and what they change."""

from copy import deepcopy

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ean_search.bench.timing import evaluation_of, median_seconds
from ean_search.core.space import Placement, Space
from ean_search.data.splits import Split
from ean_search.evaluation.precision import Precision
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import place

PRECISIONS = {
    "float32": Precision(),
    "float32, channels last": Precision(channels_last=True),
    "tf32": Precision(precision="tf32"),
    "bfloat16": Precision(precision="bfloat16"),
    "bfloat16, channels last": Precision(precision="bfloat16", channels_last=True),
    "float16, channels last": Precision(precision="float16", channels_last=True),
}
COHORT_SIZE = 16
GPU_PRECISIONS = ("tf32", "float16")  # CPUs do not know the one, and emulate the other


def measure_precision(
    network: nn.Module, space: Space, split: Split, *, rounds: int = 3, device: str = "cpu"
) -> pd.DataFrame:
    """Evaluate a cohort with every precision in turn, and compare with float32.

    Args:
        network: A network of the space with weights for all placements; it is copied.
        space: The space that the cohort is drawn from.
        split: Images to evaluate on.
        rounds: Evaluations with each precision, of which the median time counts.
        device: Where to evaluate; tf32 and float16 are left out on a CPU.

    Returns:
        One row per precision: its speedup, and how far its answers are from those of float32.
    """
    cohort = [space.sample(np.random.default_rng(seed)) for seed in range(COHORT_SIZE)]
    evaluators = _make_evaluators(network, split, device)
    actions = {name: evaluation_of(evaluator, cohort) for name, evaluator in evaluators.items()}
    times = median_seconds(actions, rounds, device)
    answers = {name: _Answers(evaluator, cohort) for name, evaluator in evaluators.items()}
    rows = []
    for name, answer in answers.items():
        row = {"precision": name, "speedup": times["float32"] / times[name]}
        rows.append(row | answer.differences(answers["float32"]))
    return pd.DataFrame(rows).assign(cohort=COHORT_SIZE, images=len(split))


def _make_evaluators(
    network: nn.Module, split: Split, device: str
) -> dict[str, SharedWeightsEvaluator]:
    """Make an evaluator for each precision that the device supports."""
    return {
        name: SharedWeightsEvaluator(
            deepcopy(network), split, device=device, walk_batch_size=64, precision=precision
        )
        for name, precision in PRECISIONS.items()
        if _is_supported(precision, device)
    }


def _is_supported(precision: Precision, device: str) -> bool:
    return precision.precision not in GPU_PRECISIONS or device.startswith("cuda")


class _Answers:
    """The accuracies and logits that an evaluator gives for a cohort."""

    def __init__(self, evaluator: SharedWeightsEvaluator, cohort: list[Placement]):
        results = evaluator.evaluate(cohort)
        self.accuracies = np.array([result.accuracy for result in results], dtype=float)
        self.logits = _compute_logits(evaluator, cohort)

    def differences(self, exact: "_Answers") -> dict[str, float]:
        """Compare with full precision: logits in standard deviations, classes, accuracies."""
        logits = (self.logits - exact.logits).abs().max() / exact.logits.std()
        changed = self.logits.argmax(2) != exact.logits.argmax(2)
        return {
            "logits_off": float(logits),
            "answers_changed": float(changed.float().mean()),
            "accuracy_off": float(abs(self.accuracies - exact.accuracies).max()),
        }


def _compute_logits(evaluator: SharedWeightsEvaluator, cohort: list[Placement]) -> Tensor:
    """Return (placements, images, classes), on one batch of images."""
    images, _ = next(iter(evaluator.split.batches(256, device=evaluator.device)))
    with torch.inference_mode(), evaluator.precision.applied(evaluator.device):
        logits = [place(evaluator.network, placement)(images).float() for placement in cohort]
    return torch.stack(logits)
