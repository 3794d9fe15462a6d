"""A search over a small module of a user's, for the tests of its parts."""

import torch
from torch.utils.data import DataLoader, TensorDataset

from ean_search.runs.search_attention import search_attention
from tests.networks.modules import GatedNet

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(48, 1, 8, 8, generator=GENERATOR)
TARGETS = torch.stack([IMAGES.mean((1, 2, 3)), IMAGES[:, 0, :4, :4].mean((1, 2))], 1)
LOADER = DataLoader(TensorDataset(IMAGES, TARGETS), batch_size=16, shuffle=True)
SETTINGS = {"train": LOADER, "score_name": "error", "maximize": False, "epochs": 1, "budget": 6}


def loss(network, batch):
    images, targets = batch
    return ((network(images)["y"] - targets) ** 2).mean()


def score(network):
    return ((network(IMAGES)["y"] - TARGETS) ** 2).mean(1)


def gated_net(blocks=3):
    torch.manual_seed(0)
    return GatedNet(blocks)


def search(folder, model=None, **changes):
    settings = {"loss": loss, "score": score, **SETTINGS, **changes}
    return search_attention(model or gated_net(), IMAGES[:2], folder=folder, **settings)


def history(folder):
    """Return the trials without their times."""
    lines = (folder / "trials.jsonl").read_text().splitlines()
    return [line.split('"seconds"')[0].split('"latency_ms"')[0] for line in lines]
