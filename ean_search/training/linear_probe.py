"""Fits the head of a pretrained network to other classes, on features that are computed once."""

from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ean_search.data.splits import Split
from ean_search.networks.head import find_head
from ean_search.utils.progress import Progress, silent

MAX_IMAGES = 10_000  # more make the head hardly better
ITERATIONS = 100  # of L-BFGS
WEIGHT_DECAY = 1e-3  # of standardised features
BATCH_SIZE = 128


def fit_head(
    network: nn.Module, split: Split, *, device: str = "cpu", progress: Progress = silent
) -> float:
    """Fit the head of a network by logistic regression; nothing else of it changes.

    Args:
        network: A classifier whose head is a linear layer; it is put into evaluation mode.
        split: The training images, augmented as in training; up to 10,000 of them, drawn at
            random, are used.
        device: Where to compute.
        progress: Receives the number of batches whose features are computed.

    Returns:
        The share of these images that the head classifies rightly.

    Raises:
        UserError: If the head cannot be found.
    """
    _, head = find_head(network)
    features, labels = _compute_features(network.to(device).eval(), head, split, device, progress)
    mean, std = features.mean(0), features.std(0).clamp_min(1e-6)
    standard = (features - mean) / std
    weight, bias = _logistic_regression(standard, labels, head.out_features)
    with torch.no_grad():
        head.weight.copy_(weight / std)
        head_bias = bias - (weight / std) @ mean
        if head.bias is not None:
            head.bias.copy_(head_bias)
        right = (standard @ weight.T + bias).argmax(1) == labels
    return float(right.float().mean())


def _compute_features(
    network: nn.Module, head: nn.Linear, split: Split, device: str, progress: Progress
) -> tuple[Tensor, Tensor]:
    """Return what the head is given for training images, and their labels."""
    seen: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float()))
    labels = []
    batches = split.batches(BATCH_SIZE, shuffle=(0,), device=device)
    total = min(split.steps(BATCH_SIZE), MAX_IMAGES // BATCH_SIZE)
    try:
        with torch.inference_mode():
            for number, (images, batch_labels) in enumerate(islice(batches, total), 1):
                network(images)
                labels.append(batch_labels)
                progress("head", number, total)
    finally:
        hook.remove()
    return torch.cat(seen).clone(), torch.cat(labels).clone()


def _logistic_regression(features: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    weight = features.new_zeros(classes, features.shape[1], requires_grad=True)
    bias = features.new_zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe"
    )

    def compute_loss() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(features @ weight.T + bias, labels)
        loss = loss + WEIGHT_DECAY / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(compute_loss)
    return weight.detach(), bias.detach()
