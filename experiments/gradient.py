"""Rank placements by one backward pass through soft gates, before any is evaluated.

    python experiments/gradient.py RUN --table eight

Every attachment of a run's weight-sharing network is mixed in with an even weight, and the loss on
the search split is differentiated by these weights. The predicted gain of a placement is the sum of
its attachments' gains. The script prints how well predicted gains rank the accuracies of the run,
and those of a table.
"""

import argparse

import torch
from scipy.stats import kendalltau
from torch import Tensor, nn
from torch.nn import functional as F

from ean_search import load_run
from ean_search.core.space import Placement
from ean_search.data.datasets import load_data
from ean_search.data.splits import Split
from ean_search.networks.builder import Slot
from ean_search.networks.positions.wrappers import replace_module
from ean_search.runs.evaluator_factory import make_shared_evaluator
from ean_search.runs.experiment import load_experiment
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.utils.progress import silent


class SoftSlot(nn.Module):
    """A slot that mixes all its choices, with trainable weights."""

    def __init__(self, slot: Slot) -> None:
        super().__init__()
        self.original, self.attentions = slot.original, slot.attentions
        even = 1 / (1 + len(self.attentions))
        self.weights = nn.Parameter(torch.full((len(self.attentions),), even))

    def forward(self, x: Tensor, *previous: Tensor) -> Tensor:
        """Add the weighted change that each attention makes."""
        plain = x if self.original is None else self.original(x)
        changes = [attention(x, *previous) - plain for attention in self.attentions]
        return plain + sum(w * change for w, change in zip(self.weights, changes, strict=True))


def attachment_gains(network: nn.Module, split: Split) -> Tensor:
    """Return how fast the loss falls as each attachment's weight grows: (sites, attentions).

    The slots of the network are replaced by soft ones.
    """
    slots = {}
    for path, slot in list(network.named_modules()):
        if isinstance(slot, Slot):
            slots[slot.site.number] = SoftSlot(slot)
            replace_module(network, path, slots[slot.site.number])
    weights = [slots[number].weights for number in sorted(slots)]
    network.eval().requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
    for images, labels in split.batches(250):
        (F.cross_entropy(network(images), labels, reduction="sum") / len(split)).backward()
    return -torch.stack([weight.grad for weight in weights])


def predict_gain(placement: Placement, gains: Tensor) -> float:
    """Add up the gains of a placement's attachments."""
    choices = enumerate(placement.choices)
    return sum(float(gains[site, choice - 1]) for site, choice in choices if choice)


def main() -> None:
    """Compare predicted gains with the accuracies of a run, and of a table."""
    parser = argparse.ArgumentParser(description="Rank placements by one backward pass.")
    parser.add_argument("run", help="folder of a finished run; its attention keeps no state")
    parser.add_argument("--table", help="of the same space")
    args = parser.parse_args()
    run = load_run(args.run)
    experiment = load_experiment(run.experiment_file, {"device": "cpu"})
    shared = make_shared_evaluator(run, experiment, load_data(experiment.data), None, silent)
    gains = attachment_gains(shared.network, shared.split)
    references = {"the run's accuracies": {t.placement: t.accuracy for t in run.read_trials()}}
    if args.table:
        table = PlacementBench(args.table)
        references["trainings in the table"] = {p: table.true_accuracy(p) for p in table.costs}
    for name, truth in references.items():
        predicted = [predict_gain(placement, gains) for placement in truth]
        tau = kendalltau(predicted, list(truth.values())).statistic
        print(f"{name}: Kendall's tau {tau:.2f} over {len(truth)} placements")


if __name__ == "__main__":
    main()
