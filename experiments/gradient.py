"""What one backward pass through soft gates says of placements, before anything is evaluated.

    python experiments/gradient.py RUN --table eight

Every attachment of a run's weight-sharing network is mixed in with an even weight, and the loss on
the search split is differentiated by these weights: a placement's guess is the sum of what its
attachments promise. Says how well guesses rank the run's accuracies, and a table's.
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
from ean_search.networks.positions.wrappers import replace
from ean_search.runs.evaluator_factory import make_shared
from ean_search.runs.experiment import load_experiment
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.utils.progress import silent


class Soft(nn.Module):
    """A slot that mixes all its choices."""

    def __init__(self, slot: Slot) -> None:
        super().__init__()
        self.original, self.attentions = slot.original, slot.attentions
        even = 1 / (1 + len(self.attentions))
        self.shares = nn.Parameter(torch.full((len(self.attentions),), even))

    def forward(self, x: Tensor, *previous: Tensor) -> Tensor:
        plain = x if self.original is None else self.original(x)
        changes = [attention(x, *previous) - plain for attention in self.attentions]
        return plain + sum(s * change for s, change in zip(self.shares, changes, strict=True))


def promises(network: nn.Module, split: Split) -> Tensor:
    """Say how fast the loss falls as each attachment's share grows: (sites, attentions)."""
    soft = {}
    for path, slot in list(network.named_modules()):
        if isinstance(slot, Slot):
            soft[slot.site.number] = Soft(slot)
            replace(network, path, soft[slot.site.number])
    shares = [soft[number].shares for number in sorted(soft)]
    network.eval().requires_grad_(False)
    for share in shares:
        share.requires_grad_(True)
    for images, labels in split.batches(250):
        (F.cross_entropy(network(images), labels, reduction="sum") / len(split)).backward()
    return -torch.stack([share.grad for share in shares])


def guess(placement: Placement, gains: Tensor) -> float:
    """Add up what a placement's attachments promise."""
    chosen = enumerate(placement.choices)
    return sum(float(gains[site, choice - 1]) for site, choice in chosen if choice)


def main() -> None:
    parser = argparse.ArgumentParser(description="A guess from one backward pass, judged.")
    parser.add_argument("run", help="folder of a finished run; its attention keeps no state")
    parser.add_argument("--table", help="of the same space")
    args = parser.parse_args()
    run = load_run(args.run)
    experiment = load_experiment(run.experiment_file, {"device": "cpu"})
    shared = make_shared(run, experiment, load_data(experiment.data), None, silent)
    gains = promises(shared.network, shared.split)
    judged = {"the run's accuracies": {t.placement: t.accuracy for t in run.read_trials()}}
    if args.table:
        table = PlacementBench(args.table)
        judged["trainings in the table"] = {p: table.truth(p) for p in table.costs}
    for name, truth in judged.items():
        guesses = [guess(placement, gains) for placement in truth]
        tau = kendalltau(guesses, list(truth.values())).statistic
        print(f"{name}: Kendall's tau {tau:.2f} over {len(truth)} placements")


if __name__ == "__main__":
    main()
