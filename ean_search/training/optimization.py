"""What a recipe names, made: optimiser, schedule, mixing, loss and the type of mixed precision."""

from collections.abc import Callable
from typing import Any

import torch
from timm.data import Mixup
from timm.loss import BinaryCrossEntropy, SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from torch import Tensor, nn

from ean_search.training.recipe import Recipe
from ean_search.utils.errors import UserError

Criterion = Callable[[Tensor, Tensor], Tensor]
# Torch has these in one kernel, CPUs included. It has SGD, too, but with momentum that one fails
# as soon as a module is used for the first time after the first step.
FUSED = ("adam", "adamw")


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make the optimiser; weight decay spares biases and norms unless the recipe says otherwise."""
    return create_optimizer_v2(
        network,
        opt=recipe.optimizer,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum,
        filter_bias_and_bn=not recipe.decay_norms,
        **({"fused": True} if recipe.optimizer in FUSED else {}),
    )


def make_scheduler(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> Any:
    """Make the schedule; it is a function of the update's number and keeps no state."""
    scheduler, _ = create_scheduler_v2(
        optimizer,
        sched={"cosine": "cosine", "step": "multistep"}[recipe.schedule],
        num_epochs=recipe.epochs,
        # timm drops the rate one update before a milestone: the half puts that right.
        decay_milestones=[milestone + 0.5 / steps for milestone in recipe.milestones],
        decay_rate=recipe.gamma,
        warmup_epochs=recipe.warmup_epochs,
        warmup_lr=recipe.lr / 100,
        min_lr=recipe.min_lr,
        warmup_prefix=False,
        step_on_epochs=False,
        updates_per_epoch=steps,
    )
    return scheduler


def make_mixup(network: nn.Module, recipe: Recipe) -> Mixup | None:
    """Make what mixes the images of a batch, if the recipe does."""
    if not recipe.mixes:
        return None
    classes = getattr(network, "num_classes", None)
    if classes is None:
        raise UserError("mixup and cutmix need a network that knows its num_classes, as timm's do")
    return Mixup(
        recipe.mixup,
        recipe.cutmix,
        label_smoothing=recipe.label_smoothing,
        num_classes=classes,
    )


def make_criterion(recipe: Recipe) -> Criterion:
    """Make the loss of logits and labels."""
    if recipe.loss == "binary":
        return BinaryCrossEntropy(recipe.label_smoothing)
    if recipe.mixes:
        return SoftTargetCrossEntropy()  # what is mixed is smoothed already
    return nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)


def amp_dtype(name: str) -> torch.dtype:
    """Return the type of mixed precision; `auto` takes what the GPU has."""
    if name != "auto":
        return getattr(torch, name)
    half = torch.cuda.is_available() and not torch.cuda.is_bf16_supported()
    return torch.float16 if half else torch.bfloat16
